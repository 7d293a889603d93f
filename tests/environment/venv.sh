# shellcheck shell=bash
# The virtual environment: its packages, pythonnogil itself, and wheels of real packages. What was
# done is remembered in stamps inside the environment. Sourced by prepare.sh.

create_venv() {
    rm -rf "$venv_folder" &&
        "$python_path" -m venv "$venv_folder" &&
        pip install --only-binary :all: --requirement "$environment_folder/requirements.txt"
}

pip() {
    "$venv_python" -m pip --disable-pip-version-check --no-input "$@"
}

# venv NAME: sees to the environment NAME of the chosen interpreter; sets venv_folder, venv_python.
venv() {
    local wanted
    venv_folder=$cache_folder/venvs/$1-$python_key
    venv_python=$venv_folder/bin/python
    wanted=$(short_hash <"$environment_folder/requirements.txt")
    if has_stamp "$venv_folder/requirements.stamp" "$wanted" && "$venv_python" -c ''; then
        return 0
    fi
    step "Making the virtual environment $1" create_venv ||
        fail "could not make the virtual environment $venv_folder"
    printf '%s\n' "$wanted" >"$venv_folder/requirements.stamp"
}

# The files of the checkout below the given paths, without those that git ignores; works in an
# unpacked source distribution as well, where everything counts.
checkout_files() {
    local file
    if git -C "$root_folder" rev-parse --is-inside-work-tree &>/dev/null; then
        git -C "$root_folder" ls-files --cached --others --exclude-standard -- "$@"
    else
        (cd "$root_folder" && find "$@" -type f)
    fi | sort -u | while read -r file; do
        [[ ! -f $root_folder/$file ]] || printf '%s\n' "$file"
    done
}

project_fingerprint() {
    local -a files
    mapfile -t files < <(checkout_files include policy shim loader CMakeLists.txt pyproject.toml \
        setup.cfg README.md LICENSE)
    (cd "$root_folder" && sha256sum -- "${files[@]}") | short_hash
}

install_project() {
    CMAKE_BUILD_PARALLEL_LEVEL=$parallel_jobs \
        pip install --no-build-isolation --no-deps --force-reinstall "$root_folder"
}

# project: installs the checkout into the environment that venv_folder and venv_python name, unless
# this very state of it is there.
project() {
    local wanted stamp=$venv_folder/project.stamp
    wanted=$(project_fingerprint)
    ! has_stamp "$stamp" "$wanted" || return 0
    rm -f "$stamp"
    step "Building and installing pythonnogil in ${venv_folder##*/}" install_project || return 1
    printf '%s\n' "$wanted" >"$stamp"
}

# Runs in the subshell of a step, so the settings it exports end with it. The wheel appears in its
# folder complete or not at all.
build_wheel() {
    local folder=$1 name=$2 version=$3 work=$4 setting
    for setting in "${@:5}"; do
        export "${setting?}"
    done
    pip wheel --no-deps --no-binary "$name" --wheel-dir "$work/wheel" "$name==$version" &&
        mkdir -p "${folder%/*}" && mv "$work/wheel" "$folder"
}

# prepare_wheel NAME VERSION [VARIABLE=VALUE...]: builds a wheel from the source distribution of a
# package, with these variables in its environment, once per interpreter, and installs it.
prepare_wheel() {
    local name=$1 version=$2 id folder work
    id=$name-$version-$(short_hash <<<"$*")
    folder=$cache_folder/wheels/$python_key/$id
    if [[ ! -d $folder ]]; then
        work=$(temporary_folder)
        step "Building $name $version from its source distribution (may take minutes, once)" \
            build_wheel "$folder" "$name" "$version" "$work" "${@:3}" || return 1
        rm -rf "$work"
    fi
    ! has_stamp "$venv_folder/$name.stamp" "$id" || return 0
    rm -f "$venv_folder/$name.stamp"
    step "Installing $name $version" pip install --no-index --no-deps --force-reinstall \
        "$folder"/*.whl || return 1
    printf '%s\n' "$id" >"$venv_folder/$name.stamp"
}
