# shellcheck shell=bash
# The checks of the sources that are not tests: format and static analysis. Sourced by tests/run
# after prepare.sh; both run in the root of the checkout.

check_format() {
    local -a files
    mapfile -t files < <(checkout_files include policy shim loader tests examples |
        grep -E '\.(c|cpp|h|hpp)$')
    clang-format --version && clang-format --dry-run -Werror "${files[@]}"
}

# What the analysis of a file depends on: the file, all headers, the configuration and the options
# of the compiler.
analysis_state() {
    local -a headers
    mapfile -t headers < <(checkout_files include policy shim loader | grep -E '\.(h|hpp)$')
    {
        grep -F "/$1" build/release/compile_commands.json
        cat .clang-tidy "$1" "${headers[@]}"
    } | short_hash
}

# The source files whose analysis is not up to date, each after the state and the stamp to write.
files_to_analyse() {
    local source state stamp
    checkout_files policy shim loader | grep -E '\.cpp$' | while read -r source; do
        state=$(analysis_state "$source")
        stamp=build/release/analysis/$(file_name "$source").stamp
        has_stamp "$stamp" "$state" || printf '%s %s %s\n' "$state" "$stamp" "$source"
    done
}

# A file that passed is not analysed again before something it depends on has changed: the analysis
# of one takes many seconds. Needs the build folder of the release preset.
analyse() {
    # shellcheck disable=SC2016
    mkdir -p build/release/analysis && ls .clang-tidy &&
        files_to_analyse | xargs -r -L 1 -P "$parallel_jobs" bash -c '
            clang-tidy --quiet --warnings-as-errors="*" -p build/release "$2" 2>&1 &&
                printf "%s\n" "$0" >"$1"'
}
