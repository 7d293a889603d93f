"""Asks an extension itself what it declares, by loading it in a child process.

The child does what an import does up to the module's own code: a legacy module is refused as soon
as it is known to be one. Only the init function of a single-phase module runs.
"""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from importlib.machinery import ExtensionFileLoader, ModuleSpec

_CHILD = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from pythonnogil import _probe; _probe.answer(sys.argv[2], sys.argv[3])"
)
_MARK = "pythonnogil probe: "


def probe(path: str, name: str, archive: str, limit: float) -> tuple[str, str]:
    """What the module *name* in this file says: "declared", a legacy reason, or "" and why not.

    A file in a wheel is unpacked, with the wheel, for the length of the call.
    """
    if not archive:
        return _ask(os.path.abspath(path), name, [], limit)
    with tempfile.TemporaryDirectory(prefix="pythonnogil-") as folder:
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(folder)
        member = os.path.join(folder, path.removeprefix(f"{archive}/"))
        return _ask(member, name, [folder], limit)


def _ask(path: str, name: str, search_first: list[str], limit: float) -> tuple[str, str]:
    search_path = json.dumps([*search_first, *sys.path])
    # Isolated, so that the child looks where this process does and nowhere else.
    command = [sys.executable, "-I", "-c", _CHILD, search_path, name, path]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", f"the probe was still running after {limit:g} s"
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            answer, text = json.loads(line.removeprefix(_MARK))
            return answer, text
    if done.returncode < 0:
        return "", f"the probe was ended by signal {-done.returncode}"
    last = done.stderr.strip().rpartition("\n")[2]
    return "", f"the probe ended with code {done.returncode}: {last}"


class _Refused(ImportError):
    pass


def answer(name: str, path: str) -> None:
    """What the child does: load the module and print what became of it."""
    from pythonnogil import _core, _startup

    reasons: list[str] = []

    # Other modules that the init function imports are guarded and may go on.
    def announce(mode: str, found: str, file: str, reason: str, *_details: str | None) -> None:
        if file == path:
            reasons.append(reason)
            raise _Refused(f"{found} has told what it is")

    _startup.use("gil")
    # What the module says of itself counts here, whatever a policy says of it.
    _core.install("gil", announce, _core.read_policy(None, None), False)
    text = ""
    try:
        _core.create_dynamic(ModuleSpec(name, ExtensionFileLoader(name, path), origin=path))
    except BaseException as error:
        text = "" if isinstance(error, _Refused) else f"{type(error).__name__}: {error}"
    found = [record for record in _core.modules() if record["path"] == path]
    if reasons:
        result = (reasons[0], "")
    elif found:
        result = (found[0]["reason"] or found[0]["verdict"], "")
    else:
        result = ("", text)
    # Past whatever the module did to sys.stdout, and in one piece, on a line of its own.
    os.write(1, f"\n{_MARK}{json.dumps(result)}\n".encode())
    os._exit(0)
