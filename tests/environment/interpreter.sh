# shellcheck shell=bash
# The interpreters: a free-threaded one, one with the GIL for the tests of the opposite case, and a
# free-threaded one that ThreadSanitizer watches, which knows nothing of locks in code that was not
# compiled for it. Each is the one that its variable names, one that is installed, or one built from
# Debian's source package (build_interpreter.sh). Sourced by prepare.sh.

# choose_build free-threaded|with-gil|thread-sanitizer: what the functions below look for, and how
# it is built. Only of the first one the speed is measured: the others are built the quickest way.
choose_build() {
    python_build=$1
    case $python_build in
        free-threaded)
            python_variable=PYTHON
            python_commands=(python3.13t python3.14t python3.15t)
            python_suffix=t
            configure_options=(--disable-gil)
            ;;
        with-gil)
            python_variable=PYTHON_WITH_GIL
            python_commands=(python3.13 python3.14 python3.15)
            python_suffix=''
            configure_options=(--disable-test-modules --with-ensurepip=no
                OPT='-DNDEBUG -fwrapv -O1 -Wall')
            ;;
        thread-sanitizer)
            python_variable=PYTHON_WITH_TSAN
            python_commands=()
            python_suffix=t-tsan
            configure_options=(--disable-gil --with-thread-sanitizer --disable-test-modules
                --with-ensurepip=no OPT='-DNDEBUG -g -fwrapv -O1 -Wall')
            ;;
        *) fail "there is no build $python_build of CPython; choose free-threaded, with-gil or" \
            thread-sanitizer ;;
    esac
}

# Takes an interpreter if it fits, and sets python_path and python_key; else sets unfit_because.
use_interpreter() {
    local -a description
    local output
    if ! output=$("$1" -I -W ignore "$environment_folder/describe_interpreter.py" "$python_build" \
        2>&1); then
        unfit_because=$(tail -n 1 <<<"${output:-it is not Python, or does not start}")
        return 1
    fi
    mapfile -t description <<<"$output"
    python_path=${description[0]}
    python_key=${description[1]}
}

# Those that earlier runs have built, the newest first; whether one is of the chosen build, it says
# itself.
built_interpreters() {
    compgen -G "$cache_folder/python-*/bin/python3" | sort --version-sort --reverse
}

# All of a name, not only the first on the path: that may be a shim of a version manager, which does
# not run where the version is not switched on.
installed_interpreters() {
    ((${#python_commands[@]} == 0)) || type -ap "${python_commands[@]}" || true
    built_interpreters
}

use_installed_interpreter() {
    local -a installed
    local candidate
    mapfile -t installed < <(installed_interpreters)
    for candidate in "${installed[@]}"; do
        ! use_interpreter "$candidate" || return 0
    done
    return 1
}

# interpreter [BUILD]: finds or builds it; free-threaded if BUILD is left out.
interpreter() {
    choose_build "${1:-free-threaded}"
    if [[ -n ${!python_variable:-} ]]; then
        use_interpreter "${!python_variable}" ||
            fail "$python_variable=${!python_variable} does not fit: $unfit_because"
    elif ! use_installed_interpreter; then
        build_interpreter
    fi
    say "Python, $python_build: $python_path ($python_key)"
}
