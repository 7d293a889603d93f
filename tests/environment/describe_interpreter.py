"""Tell whether the interpreter that runs this file can carry pythonnogil's tests and examples.

Usage: describe_interpreter.py free-threaded|with-gil|thread-sanitizer. Prints its real path and a
key that names exactly this build of it, a line each. An interpreter that is unfit, or not of that
build, ends with exit code 1 and the reason as one line. The file keeps to syntax that older
versions of Python read, for it is they who have to explain why they do not fit.
"""

import hashlib
import os
import sys
import sysconfig


BUILDS = ("free-threaded", "with-gil", "thread-sanitizer")
FREE_THREADED = sysconfig.get_config_var("Py_GIL_DISABLED") == 1
WATCHED = "-fsanitize=thread" in (sysconfig.get_config_var("CFLAGS") or "")
VERSION = "%d.%d.%d" % sys.version_info[:3]


def why_unfit(build: str) -> str:
    """Return what this interpreter lacks to be such a build, or an empty string."""
    if sys.implementation.name != "cpython":
        return "it is %s, not CPython" % sys.implementation.name
    if sys.version_info < (3, 13):
        return "it is CPython %s; 3.13 or later is needed" % VERSION
    if build == "with-gil" and FREE_THREADED:
        return "it is a free-threaded CPython %s; a build with the GIL is needed" % VERSION
    if build != "with-gil" and not FREE_THREADED:
        return "it is CPython %s built with the GIL; a free-threaded build is needed" % VERSION
    if build == "thread-sanitizer" and not WATCHED:
        return "it is CPython %s built without --with-thread-sanitizer" % VERSION
    if build != "thread-sanitizer" and WATCHED:
        return "it is CPython %s built for ThreadSanitizer, which is slow" % VERSION
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
    if len(sys.argv) != 2 or sys.argv[1] not in BUILDS:
        sys.exit(__doc__)
    reason = why_unfit(sys.argv[1])
    if reason:
        sys.exit(reason)
    path = os.path.realpath(sys.executable)
    identity = "\n".join([path, sys.version, str(sysconfig.get_config_var("SOABI"))])
    suffix = "t" if FREE_THREADED else ""
    print(path)
    print(VERSION + suffix + "-" + hashlib.sha256(identity.encode()).hexdigest()[:12])


if __name__ == "__main__":
    main()
