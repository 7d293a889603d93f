# shellcheck shell=bash
# The native tests and the integration tests under a sanitizer. Each sanitizer has a virtual
# environment of its own, so that the one of the other tests is left alone; legacy code, the native
# core and, for ThreadSanitizer, the interpreter are compiled for it. Sourced by tests/run.

declare -A sanitizer_venv_folders=()

# The races of CPython itself that CPython's developers know: the file comes with its source.
cpython_suppressions() {
    tar --extract --to-stdout --wildcards --file "$python_tarball" \
        '*/Tools/tsan/suppressions_free_threading.txt' &&
        cat "$environment_folder/tsan_suppressions.txt"
}

# The interpreter itself is not compiled for AddressSanitizer, so the library has to be there first.
# The second library is for exceptions, which AddressSanitizer looks for when it starts. CPython
# does not give all memory back when it ends.
prepare_asan() {
    local -a libraries
    mapfile -t libraries < <(printf '%s\n' libasan.so libstdc++.so | xargs -n 1 -I '{}' \
        "${CC:-gcc}" '-print-file-name={}')
    export LD_PRELOAD="${libraries[*]}"
    export ASAN_OPTIONS="detect_leaks=0:log_path=$1/report"
}

prepare_tsan() {
    cpython_suppressions >build/tsan/suppressions &&
        export TSAN_OPTIONS="suppressions=$PWD/build/tsan/suppressions:log_path=$1/report"
}

# Left out are the tests that need no legacy code to run, and those that start a debugger or a
# profiler or build a package.
sanitized_integration_tests() {
    printf 'tests/integration/%s.py\n' test_bad_input test_embedding test_entries test_gil_lease \
        test_identity test_main_thread_calls test_modes test_overlaps test_policy test_scopes \
        test_stats test_subinterpreters test_trace test_watchdog test_ways_to_load
    ls tests/integration/test_hazards_*.py
}

# Left out as well: the controls, which do without the guard what must not be done. Under
# ThreadSanitizer also forked children that start threads, which it does not support, and a test that
# counts threads, of which it has one of its own.
declare -A tests_left_out=(
    [asan]="_control"
    [tsan]="_control or fork_from or forks or fork-expected or child_of_a_fork or option_and_children"
)

# Each process writes its findings into a file of its own; the test that it belongs to fails.
run_sanitized() {
    local preset=$1 name=$2 reports=$PWD/build/$1/reports
    local expression="not (${tests_left_out[$1]})${expression:+ and ($expression)}"
    local -a files
    mapfile -t files < <(sanitized_integration_tests)
    export PYTHONNOGIL_FIXTURES=$PWD/build/$preset/fixtures
    export PYTHONNOGIL_SANITIZER_REPORTS=$reports
    rm -rf "$reports" && mkdir -p "$reports" && "prepare_$preset" "$reports" &&
        run_pytest "$name" "${files[@]}"
}

install_build() {
    local site_packages
    site_packages=$("$venv_python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))') &&
        rm -rf "$site_packages/pythonnogil" &&
        cmake --install "build/$1" --prefix "$site_packages"
}

# Makes the two environments and sets sanitizer_venv_folders. CPython's own races are no reason to
# stop here.
sanitizer_environments() {
    interpreter
    venv asan
    sanitizer_venv_folders[asan]=$venv_folder
    interpreter thread-sanitizer
    python_source
    TSAN_OPTIONS=report_bugs=0 venv tsan
    sanitizer_venv_folders[tsan]=$venv_folder
}

# sanitized_tests asan|tsan
sanitized_tests() {
    local preset=$1 name="integration tests, $1"
    local venv_folder=${sanitizer_venv_folders[$1]}
    local venv_python=$venv_folder/bin/python
    native_tests "$preset" &&
        must_work "installation, $preset" "Installing pythonnogil, $preset" \
            install_build "$preset" || return 0
    run_tests "$name" run_sanitized "$preset" "$name"
}
