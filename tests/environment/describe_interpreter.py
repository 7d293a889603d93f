"""Tell whether the interpreter that runs this file can carry pythonnogil's tests and examples.

Prints its real path and a key that names exactly this build of it, a line each. An unfit
interpreter ends with exit code 1 and the reason as one line. The file keeps to syntax that older
versions of Python read, for it is they who have to explain why they do not fit.
"""

import hashlib
import os
import sys
import sysconfig


def why_unfit() -> str:
    """Return what this interpreter lacks, or an empty string."""
    if sys.implementation.name != "cpython":
        return "it is %s, not CPython" % sys.implementation.name
    version = "%d.%d.%d" % sys.version_info[:3]
    if sys.version_info < (3, 13):
        return "it is CPython %s; 3.13 or later is needed" % version
    if sysconfig.get_config_var("Py_GIL_DISABLED") != 1:
        return "it is CPython %s built with the GIL; a free-threaded build is needed" % version
    header = os.path.join(sysconfig.get_path("include"), "Python.h")
    if not os.path.exists(header):
        return "its C headers are not installed (%s is missing)" % header
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        return "it cannot make virtual environments (%s)" % error
    return ""


def main() -> None:
    """Print the description."""
    reason = why_unfit()
    if reason:
        sys.exit(reason)
    path = os.path.realpath(sys.executable)
    identity = "\n".join([path, sys.version, str(sysconfig.get_config_var("SOABI"))])
    version = "%d.%d.%dt" % sys.version_info[:3]
    print(path)
    print(version + "-" + hashlib.sha256(identity.encode()).hexdigest()[:12])


if __name__ == "__main__":
    main()
