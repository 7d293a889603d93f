"""A PostgreSQL server for the tests of a package: in a folder of its own, gone afterwards.

It listens on a socket in that folder and nowhere else. PostgreSQL refuses to run as root, so root
runs it as the user that Debian's package made for it.
"""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LIMIT = 60.0
SUPERUSER = "postgres"
DATABASE = "tests"
# Two-phase commit is tested too; nothing in it has to survive the machine.
SETTINGS = "-c max_prepared_transactions=10 -c listen_addresses= -c fsync=off"


class ServerError(Exception):
    """The server could not be set up; the text says which program failed, and how."""


def programs() -> Path | None:
    """Return the folder of the newest server's programs; Debian keeps it out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


def _as_somebody() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(SUPERUSER)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _call(name: str, *arguments: str | Path) -> None:
    folder = programs()
    if folder is None:
        raise ServerError("no PostgreSQL server is installed")
    # pg_ctl leaves the server running, which would keep a pipe open: a file does not mind.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [folder / name, *arguments],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=LIMIT,
            **_as_somebody(),
        )
        output.seek(0)
        text = output.read().decode(errors="replace")
    if done.returncode:
        raise ServerError(f"{name} ended with {done.returncode}: {' '.join(text.split())}")


@contextmanager
def server() -> Iterator[str]:
    """Run a server with an empty database; the value is the folder of its socket."""
    with tempfile.TemporaryDirectory(prefix="postgresql.") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            account = pwd.getpwnam(SUPERUSER)
            os.chown(folder, account.pw_uid, account.pw_gid)
        data = folder / "data"
        _call("initdb", "-D", data, "-U", SUPERUSER, "-A", "trust", "--no-sync")
        options = f"{SETTINGS} -c unix_socket_directories={folder}"
        _call("pg_ctl", "start", "-w", "-D", data, "-l", folder / "log", "-o", options)
        try:
            _call("createdb", "-h", folder, "-U", SUPERUSER, DATABASE)
            yield name
        finally:
            _call("pg_ctl", "stop", "-w", "-m", "immediate", "-D", data)
