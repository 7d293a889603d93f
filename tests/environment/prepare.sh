# shellcheck shell=bash
# Sets up what tests/run and examples/run need on a bare Debian machine. Source it from a script
# that runs under `set -euo pipefail`; then, in this order:
#
#   packages GROUP...     Debian packages of these groups of packages.txt
#   interpreter [BUILD]   a free-threaded CPython, or another BUILD of it: with-gil, thread-sanitizer
#   venv NAME             a virtual environment of it with the packages of requirements.txt
#   project               pythonnogil in that environment
#   real_packages         real packages from their source distributions in that environment
#
# Each does nothing when its work was done before, says what it does when that takes long, and may
# be interrupted at any point. Sourcing takes the lock on the cache folder.

environment_folder=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
root_folder=$(realpath "$environment_folder/../..")
parallel_jobs=${JOBS:-$(nproc)}

# Settings that change how Python starts or which packages it sees belong to the caller's shell, not
# to what is built and tested here.
unset PYTHONHOME PYTHONPATH PYTHON_GIL PYTHONNOGIL_MODE PYTHONNOGIL_LOG VIRTUAL_ENV

# shellcheck source=tests/environment/progress.sh
source "$environment_folder/progress.sh"
# shellcheck source=tests/environment/cache.sh
source "$environment_folder/cache.sh"
# shellcheck source=tests/environment/packages.sh
source "$environment_folder/packages.sh"
# shellcheck source=tests/environment/interpreter.sh
source "$environment_folder/interpreter.sh"
# shellcheck source=tests/environment/build_interpreter.sh
source "$environment_folder/build_interpreter.sh"
# shellcheck source=tests/environment/venv.sh
source "$environment_folder/venv.sh"
# shellcheck source=tests/environment/real_packages.sh
source "$environment_folder/real_packages.sh"

trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
trap clean_up EXIT
lock_cache
