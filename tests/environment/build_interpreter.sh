# shellcheck shell=bash
# Builds free-threaded CPython from Debian's source package into the cache folder, without changing
# apt's configuration and without root. Sourced by prepare.sh.

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
    mkdir -p "$folder/source/build" &&
        tar --extract --file "$tarball" --directory "$folder/source" --strip-components=1 &&
        cd "$folder/source/build" &&
        ../configure -q --disable-gil --prefix="$prefix" &&
        make -s -j"$parallel_jobs" &&
        make -s install DESTDIR="$folder/installed" &&
        "$folder/installed$prefix/bin/python3" -I -c "import ${python_modules[*]/%/,} sys"
}

build_interpreter() {
    local archive folder tarball version prefix
    packages interpreter
    archive=$(debian_archive)
    [[ -n $archive ]] || fail 'apt knows no Debian archive to build free-threaded CPython from;' \
        'install one and name it with PYTHON='
    folder=$(temporary_folder)
    step "Fetching Debian's source package $python_source_package" \
        fetch_python_source "$folder" "$archive" ||
        fail "could not fetch $python_source_package; name a free-threaded interpreter with PYTHON="
    tarball=$(compgen -G "$folder/${python_source_package}_*.orig.tar.*[!c]")
    version=${tarball##*/"${python_source_package}"_}
    version=${version%.orig.tar.*}
    prefix=$cache_folder/python-${version}t
    step "Building CPython $version without the GIL (takes some minutes, once)" \
        compile_python "$folder" "$tarball" "$prefix" ||
        fail "could not build CPython $version; name a free-threaded interpreter with PYTHON="
    rm -rf "$prefix"
    mv "$folder/installed$prefix" "$prefix"
    rm -rf "$folder"
    use_interpreter "$prefix/bin/python3" ||
        fail "the interpreter built in $prefix does not fit: $unfit_because"
}
