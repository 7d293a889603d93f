# shellcheck shell=bash
# The real packages that the examples and the tests of real packages use, unmodified. Sourced by
# prepare.sh.

# Name, version and settings of the build, a package a line. PyYAML would leave out its extension
# module without a word when libyaml is missing.
known_real_packages=(
    'gmpy2 2.2.1'
    'lxml 6.1.3'
    'lru-dict 1.4.1'
    'pyahocorasick 1.4.1'
    'cbor 1.0.0'
    'python-rapidjson 1.4'
    'MarkupSafe 2.1.5'
    'PyYAML 6.0.2 PYYAML_FORCE_LIBYAML=1'
    'yappi 1.6.10'
    'greenlet 3.5.3'
)

# Less optimisation makes lxml build in a fraction of the time. A function that is used without a
# declaration would return a truncated pointer; better no wheel than such a one.
real_package_flags='-O1 -Werror=implicit-function-declaration'

# real_packages [NAME...]: sees to these packages; without a name, to all.
real_packages() {
    local line name
    local -a words
    packages real
    for line in "${known_real_packages[@]}"; do
        read -r -a words <<<"$line"
        name=${words[0]}
        (($# == 0)) || [[ " $* " == *" $name "* ]] || continue
        prepare_wheel "${words[@]:0:2}" CFLAGS="$real_package_flags" "${words[@]:2}" || return 1
    done
}
