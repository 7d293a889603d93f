# shellcheck shell=bash
# What the person in front of the terminal sees: messages, and long commands that run with their
# output in a log file. Sourced by prepare.sh.

seconds_between_signs_of_life=15
step_process=''
ticker_process=''

say() {
    printf '%s\n' "$*"
}

# Ends the script with one line that says what is wrong and what to do.
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

file_name() {
    tr -cs 'A-Za-z0-9.\n' '-' <<<"$1"
}

sign_of_life() {
    local message=$1 started=$SECONDS
    while sleep "$seconds_between_signs_of_life"; do
        say "  $message: $((SECONDS - started)) s so far"
    done
}

# Ends a job that step started, with everything the job started itself. A job that runs under sudo
# belongs to root, hence the second try.
end_job() {
    local process=$1
    [[ -n $process ]] || return 0
    kill -TERM -- "-$process" 2>/dev/null || sudo -n kill -TERM -- "-$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
}

end_running_step() {
    end_job "$step_process"
    end_job "$ticker_process"
    step_process='' ticker_process=''
}

show_failure() {
    local message=$1 seconds=$2 log=$3
    say "  $message: FAILED after $seconds s; the end of $log:"
    tail -n 40 "$log" | sed 's/^/  | /'
}

# step MESSAGE COMMAND [ARGUMENT...]: runs a command or function that may take long and returns its
# exit code. A function given here must chain its commands with `&&`: bash ignores `set -e` in
# everything that runs on the left of an `||`.
#
# Job control is on while the jobs start: each gets a process group of its own, so that an
# interrupted run can end the whole tree, and does not begin with SIGINT ignored.
step() {
    local message=$1 started=$SECONDS status=0 log
    shift
    log=$log_folder/$(file_name "$message").log
    say "$message ..."
    message=${message%% (*}
    set -m
    (close_lock; "$@") </dev/null >"$log" 2>&1 &
    step_process=$!
    (close_lock; sign_of_life "$message") </dev/null &
    ticker_process=$!
    set +m
    wait "$step_process" || status=$?
    step_process=''
    end_running_step
    if ((status == 0)); then
        say "  $message: done in $((SECONDS - started)) s"
    else
        show_failure "$message" "$((SECONDS - started))" "$log"
    fi
    return "$status"
}
