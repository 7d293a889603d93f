# shellcheck shell=bash
# The cache folder: the interpreter, the virtual environments and the wheels that outlive a run, and
# the lock that keeps two runs from changing them at the same time. Sourced by prepare.sh.

cache_folder=$(realpath --canonicalize-missing \
    "${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}/pythonnogil")
log_folder=$cache_folder/logs
lock_descriptor=''

# Holds the lock until the script ends. A script that a locked one starts (a test that runs the
# examples, for instance) finds the variable and goes straight on.
lock_cache() {
    mkdir -p "$log_folder"
    [[ ${PYTHONNOGIL_LOCKED_CACHE:-} != "$cache_folder" ]] || return 0
    exec {lock_descriptor}>>"$cache_folder/lock"
    if ! flock --nonblock "$lock_descriptor"; then
        say "Another run (process $(<"$cache_folder/lock")) uses $cache_folder;" \
            'waiting for its end ...'
        flock "$lock_descriptor"
    fi
    printf '%s\n' "$$" >"$cache_folder/lock"
    export PYTHONNOGIL_LOCKED_CACHE=$cache_folder
    remove_temporary_folders
}

# A job that survives a killed run must not keep the next one waiting.
close_lock() {
    [[ -z $lock_descriptor ]] || exec {lock_descriptor}>&-
}

# Only the holder of the lock makes temporary folders, so whatever it finds is left over from a run
# that was killed.
remove_temporary_folders() {
    rm -rf "$cache_folder"/temporary.*
}

temporary_folder() {
    mktemp -d "$cache_folder/temporary.XXXXXX"
}

clean_up() {
    end_running_step
    [[ -z $lock_descriptor ]] || remove_temporary_folders
}

short_hash() {
    sha256sum | cut -c 1-12
}

# has_stamp FILE VALUE: whether the work that FILE is the stamp of was done for VALUE.
has_stamp() {
    [[ -f $1 && $(<"$1") == "$2" ]]
}
