# shellcheck shell=bash
# The results of a test run: JUnit files in one folder, from the test programs themselves and, for
# steps that are no test program, from here. Sourced by tests/run after prepare.sh.

results_folder=$root_folder/build/results

forget_results() {
    rm -rf "$results_folder"
    mkdir -p "$results_folder"
}

# record NAME passed|failed: one result of a step that writes no JUnit file itself.
record() {
    local failure='' file
    file=$results_folder/step-$(file_name "$1").xml
    [[ $2 == passed ]] || failure='<failure message="see the log of this step"/>'
    printf '<testsuite><testcase name="%s">%s</testcase></testsuite>\n' \
        "$1" "$failure" >"$file"
}

# check NAME COMMAND...: a step that counts as one test.
check() {
    local name=${1%% (*}
    if step "Checking $1" "${@:2}"; then
        record "$name" passed
    else
        record "$name" failed
    fi
}

# must_work NAME MESSAGE COMMAND...: a step that counts only when it fails.
must_work() {
    step "$2" "${@:3}" && return 0
    record "$1" failed
    return 1
}

junit_file() {
    printf '%s' "$results_folder/$(file_name "$1").xml"
}

# run_tests NAME COMMAND...: a test program that writes junit_file NAME. One that fails without
# naming a failed test has crashed, or could not start.
run_tests() {
    local file
    file=$(junit_file "$1")
    step "Running the $1" "${@:2}" && [[ -f $file ]] && return 0
    grep -qsE '<(failure|error)|status="notrun"' "$file" || record "$1" failed
}

# The end of the run, however it comes. Prints the sum as the last line.
report() {
    local status=$? summary=''
    clean_up
    ((status == 0)) || record "whole run" failed
    summary=$("${venv_python:-false}" -I "$environment_folder/count_results.py" \
        "$results_folder") || status=$((status == 0 ? 1 : status))
    say "${summary:-0 passed, 1 failed}"
    exit "$status"
}
