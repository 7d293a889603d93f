# shellcheck shell=bash
# Builds CPython, as choose_build says, from Debian's source package into the cache folder, without
# changing apt's configuration and without root. Sourced by prepare.sh.

python_source_package=python3.13
python_suites=(trixie testing) # apt-get takes the newest version that one of them has
python_modules=(ssl zlib ctypes bz2 lzma sqlite3 readline curses)

# The address of the Debian archive that this machine's own apt uses. Lists that were never fetched
# have no origin yet; there the name of the release tells Debian from other archives.
debian_archive() {
    local release
    # shellcheck disable=SC1091
    release=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-unknown}")
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(COMPONENT)|$(ORIGIN)|$(RELEASE)|$(REPO_URI)' \
        'Created-By: Packages' |
        awk -F '|' -v release="$release" '
            $1 != "main" || $3 ~ /[-\/]/ { next }
            $2 == "Debian" || ($2 == "" && $3 == release) { print $4; exit }
        '
}

# Runs apt-get on a list of sources, an index and a cache of our own.
private_apt() {
    local folder=$1
    shift
    apt-get -o Dir::Etc::sourcelist="$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder/cache" \
        -o APT::Sandbox::User=root "$@"
}

# An update that fails for one suite is no reason to stop while the other one has the package.
fetch_python_source() {
    local folder=$1 archive=$2 keyring=/usr/share/keyrings/debian-archive-keyring.gpg suite
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" &&
        for suite in "${python_suites[@]}"; do
            printf 'deb-src [signed-by=%s] %s %s main\n' "$keyring" "$archive" "$suite"
        done >"$folder/sources.list" &&
        { private_apt "$folder" update || true; } &&
        cd "$folder" &&
        private_apt "$folder" source --download-only "$python_source_package"
}

# Configured for the place where it will live, but installed below a temporary folder: only a
# complete interpreter is moved to its place.
compile_python() {
    local folder=$1 tarball=$2 prefix=$3
    # A build under ThreadSanitizer runs itself, and CPython's own races must not end it.
    export TSAN_OPTIONS=report_bugs=0
    mkdir -p "$folder/source/build" &&
        tar --extract --file "$tarball" --directory "$folder/source" --strip-components=1 &&
        cd "$folder/source/build" &&
        ../configure -q --prefix="$prefix" "${configure_options[@]}" &&
        make -s -j"$parallel_jobs" &&
        make -s install DESTDIR="$folder/installed" &&
        "$folder/installed$prefix/bin/python3" -I -c "import ${python_modules[*]/%/,} sys"
}

python_source_tarball() {
    compgen -G "$cache_folder/sources/${python_source_package}_*.orig.tar.*[!c]" |
        sort --version-sort | tail -n 1
}

# Sees to the source tarball and sets python_tarball. It stays in the cache folder, for the other
# builds. It gets there complete or not at all.
python_source() {
    local archive folder
    python_tarball=$(python_source_tarball) || true
    [[ -z $python_tarball ]] || return 0
    archive=$(debian_archive) || true
    [[ -n $archive ]] || fail "apt knows no Debian archive to build CPython ($python_build) from;" \
        "install one and name it with $python_variable="
    folder=$(temporary_folder)
    step "Fetching Debian's source package $python_source_package" \
        fetch_python_source "$folder" "$archive" ||
        fail "could not fetch $python_source_package; name an interpreter ($python_build) with" \
            "$python_variable="
    mkdir -p "$cache_folder/sources"
    mv "$folder/${python_source_package}"_*.orig.tar.*[!c] "$cache_folder/sources"
    rm -rf "$folder"
    python_tarball=$(python_source_tarball)
}

build_interpreter() {
    local folder version prefix
    packages interpreter
    python_source
    version=${python_tarball##*/"${python_source_package}"_}
    version=${version%.orig.tar.*}
    prefix=$cache_folder/python-$version$python_suffix
    folder=$(temporary_folder)
    step "Building CPython $version, $python_build (takes some minutes, once)" \
        compile_python "$folder" "$python_tarball" "$prefix" ||
        fail "could not build CPython $version ($python_build); name an interpreter with" \
            "$python_variable="
    rm -rf "$prefix"
    mv "$folder/installed$prefix" "$prefix"
    rm -rf "$folder"
    use_interpreter "$prefix/bin/python3" ||
        fail "the interpreter built in $prefix does not fit: $unfit_because"
}
