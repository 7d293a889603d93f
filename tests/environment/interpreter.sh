# shellcheck shell=bash
# The free-threaded interpreter: the one that PYTHON names, one that is installed, or one built from
# Debian's source package (build_interpreter.sh). Sourced by prepare.sh.

# Takes an interpreter if it fits, and sets python_path and python_key; else sets unfit_because.
use_interpreter() {
    local -a description
    local output
    if ! output=$("$1" -I -W ignore "$environment_folder/describe_interpreter.py" 2>&1); then
        unfit_because=$(tail -n 1 <<<"${output:-it is not Python, or does not start}")
        return 1
    fi
    mapfile -t description <<<"$output"
    python_path=${description[0]}
    python_key=${description[1]}
}

# Those that earlier runs have built, the newest first.
built_interpreters() {
    compgen -G "$cache_folder/python-*t/bin/python3" | sort --version-sort --reverse
}

use_installed_interpreter() {
    local -a built
    local candidate
    mapfile -t built < <(built_interpreters)
    for candidate in python3.13t python3.14t python3.15t "${built[@]}"; do
        if command -v "$candidate" >/dev/null && use_interpreter "$candidate"; then
            return 0
        fi
    done
    return 1
}

# Finds or builds the interpreter.
interpreter() {
    if [[ -n ${PYTHON:-} ]]; then
        use_interpreter "$PYTHON" || fail "PYTHON=$PYTHON does not fit: $unfit_because"
    elif ! use_installed_interpreter; then
        build_interpreter
    fi
    say "Python: $python_path ($python_key)"
}
