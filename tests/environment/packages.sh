# shellcheck shell=bash
# Debian packages. Sourced by prepare.sh.

package_lists_are_fresh=''

# The names in packages.txt that stand under one of the headings given as arguments.
package_names() {
    awk -v wanted=" $* " '
        { sub(/#.*/, ""); gsub(/[[:space:]]/, "") }
        /^\[/ { group = substr($0, 2, length($0) - 2); next }
        NF && index(wanted, " " group " ") && !seen[$0]++ { print }
    ' "$environment_folder/packages.txt"
}

missing_packages() {
    local installed name
    # dpkg-query exits with 1 when it does not know one of the names.
    installed=$(dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' "$@" \
        2>/dev/null || true)
    for name; do
        grep -qxF "installed $name" <<<"$installed" || printf '%s\n' "$name"
    done
}

# Asks for a password only where somebody can answer, and before the command that needs it goes to
# the background.
can_be_root() {
    ((EUID == 0)) && return 0
    command -v sudo >/dev/null || return 1
    sudo -n true 2>/dev/null || { [[ -t 0 ]] && sudo -v; }
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    else
        sudo "$@"
    fi
}

update_package_lists() {
    [[ -z $package_lists_are_fresh ]] || return 0
    package_lists_are_fresh=yes
    step 'Updating the lists of Debian packages' as_root apt-get update ||
        say 'note: going on with the lists as they are'
}

# An interrupted run may have left packages unpacked but not configured, and apt-get refuses to work
# until that is done.
install_packages() {
    as_root env DEBIAN_FRONTEND=noninteractive dpkg --configure -a &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
            -o DPkg::Lock::Timeout=300 "$@"
}

# packages GROUP...: sees to it that the packages of these groups of packages.txt are installed.
packages() {
    local -a names missing
    mapfile -t names < <(package_names "$@")
    if ! command -v dpkg-query >/dev/null; then
        say "note: not a Debian system; going on as if these were installed: ${names[*]}"
        return 0
    fi
    mapfile -t missing < <(missing_packages "${names[@]}")
    ((${#missing[@]} > 0)) || return 0
    can_be_root || fail "Debian packages are missing and only root may install them;" \
        "run this as root first: apt-get install ${missing[*]}"
    update_package_lists
    step "Installing ${#missing[@]} Debian packages ($*)" install_packages "${missing[@]}" ||
        fail "could not install these Debian packages: ${missing[*]}"
}
