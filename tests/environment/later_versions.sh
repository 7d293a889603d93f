# shellcheck shell=bash
# Compiles the native code against the headers of later versions of CPython, as they are without the
# GIL. The headers are Debian's, unpacked into the cache folder, not installed. Sourced by tests/run
# after prepare.sh.

later_versions=(3.14 3.15)
headers_suite=testing

# One complete folder, or none: it is moved to its place as the last step.
fetch_headers() {
    local version=$1 archive=$2 folder=$3 keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" &&
        printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$archive" "$headers_suite" \
            >"$folder/sources.list" &&
        private_apt "$folder" update &&
        (cd "$folder" && private_apt "$folder" download "libpython$version-dev") &&
        dpkg-deb --extract "$folder/libpython$version-dev"_*.deb "$folder/unpacked" &&
        mv "$folder/unpacked" "$cache_folder/headers-$version"
}

# headers VERSION: sees to the headers of a version. Runs inside a step.
headers() {
    local archive folder
    archive=$(debian_archive) && [[ -n $archive ]] && folder=$(temporary_folder) &&
        fetch_headers "$1" "$archive" "$folder"
}

# Runs in the root of the checkout.
compile_for() {
    local version=$1 include=$cache_folder/headers-$1/usr/include
    checkout_files shim loader/core | grep -E '\.cpp$' |
        xargs -P "$parallel_jobs" -n 4 "${CXX:-c++}" -std=c++20 -fsyntax-only -Wall -Wextra \
            -Wpedantic -Werror -DPy_GIL_DISABLED=1 -DSPDLOG_FMT_EXTERNAL -DFMT_HEADER_ONLY \
            -I. -Iinclude -isystem "$include/python$version" -isystem "$include"
}

# Says which version it was: a folder of another one would pass just as well.
compile_for_and_say() {
    local header=$cache_folder/headers-$1/usr/include/python$1/patchlevel.h
    grep -F "define PY_VERSION " "$header" && grep -qF "\"$1." "$header" && compile_for "$1"
}

# Nothing is compiled again before a source has changed. The headers are fetched only for that.
compiles_for() {
    local version=$1 wanted stamp=build/headers-$1.stamp
    wanted=$(later_versions_state)
    ! has_stamp "$stamp" "$wanted" || return 0
    [[ -d $cache_folder/headers-$version ]] || headers "$version" || return 1
    mkdir -p build && compile_for_and_say "$version" && printf '%s\n' "$wanted" >"$stamp"
}

later_versions_state() {
    local -a files
    mapfile -t files < <(checkout_files include policy shim loader/core |
        grep -E '\.(cpp|hpp|inc)$')
    cat "${files[@]}" "$environment_folder/later_versions.sh" | short_hash
}

later_versions_compile() {
    local version
    for version in "${later_versions[@]}"; do
        check "compilation for CPython $version (fetches its headers, once)" compiles_for "$version"
    done
}
