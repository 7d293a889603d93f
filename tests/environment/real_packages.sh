# shellcheck shell=bash
# The real packages that the examples and the tests of real packages use, unmodified. Sourced by
# prepare.sh.

# Less optimisation makes lxml build in a fraction of the time. A function that is used without a
# declaration would return a truncated pointer; better no wheel than such a one.
real_packages() {
    local flags='-O1 -Werror=implicit-function-declaration'
    packages real
    prepare_wheel gmpy2 2.2.1 CFLAGS="$flags" && prepare_wheel lxml 6.1.3 CFLAGS="$flags"
}
