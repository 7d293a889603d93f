"""Reports as they could have been saved, for the tests of what shows them."""

from typing import Any

# Names are data: of these, none may end up as markup, as a command to the terminal, or as a line.
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title><b>&amp;'",
    "\x1b[31mred\x07\nnext line\r\x00",
    "\u202ereversed\u2066",
    "\udcff",
    "https://example.org/{}%s",
]


def times(seconds: float, calls: int) -> dict[str, float]:
    """Times of calls of which most take this long, and the longest a hundred times that."""
    return {
        "total": seconds * calls * 1.5,
        "p50": seconds,
        "p99": seconds * 10,
        "p99.9": seconds * 40,
        "max": seconds * 100,
    }


def measures(calls: int, waits: int, hold: float, wait: float) -> dict[str, Any]:
    return {
        "calls": calls,
        "waits": waits,
        "contended_share": waits / calls if calls else 0,
        "wait": times(wait, waits),
        "hold": times(hold, calls),
        "waits_over": {
            "1ms": waits // 10,
            "5ms": waits // 50,
            "16ms": waits // 200,
            "100ms": waits // 1000,
        },
    }


def function(name: str, *figures: float, kind: str = "method") -> dict[str, Any]:
    return {"name": name, "kind": kind, **measures(*figures)}


def module(name: str, *functions: dict[str, Any], **other: Any) -> dict[str, Any]:
    calls = sum(item["calls"] for item in functions)
    waits = sum(item["waits"] for item in functions)
    slowest = max(functions, key=lambda item: item["hold"]["max"], default=None)
    waiting = max(functions, key=lambda item: item["wait"]["max"], default=None)
    found = {
        "name": name,
        "file": f"/site/{name.replace('.', '/')}.cpython-313t-x86_64-linux-gnu.so",
        "verdict": "legacy",
        "mode": "gil",
        "scope": "process",
        "domain": "process",
        "entries": {"guarded": 920, "open": 0},
        **measures(calls, waits, 2e-6, 3e-4),
        "longest_hold": slowest
        and {"function": slowest["name"], "seconds": slowest["hold"]["max"]},
        "longest_wait": waiting
        and {"function": waiting["name"], "seconds": waiting["wait"]["max"]},
        "functions": list(functions),
    }
    return found | other


def declared(name: str) -> dict[str, Any]:
    return module(
        name, verdict="declared", scope=None, domain=None, entries={"guarded": 0, "open": 0}
    )


def document(*modules: dict[str, Any], **other: Any) -> dict[str, Any]:
    return {
        "schema": "pythonnogil-report",
        "version": 1,
        "program": {
            "command": ["app.py", "--frames", "600"],
            "executable": "/usr/bin/python3.13t",
            "python": "3.13.15 free-threading",
            "pid": 4711,
            "started": "2026-03-01T12:00:00+00:00",
            "seconds": 12.345,
            "mode": "gil",
            "gil_enabled": False,
            "recording": True,
        },
        "modules": list(modules),
        "overlaps": [],
        "memory": {"recorder_bytes": 2_200_000, "entries_bytes": 41_000},
    } | other


def sample() -> dict[str, Any]:
    """A report of an ordinary program."""
    etree = module(
        "lxml.etree",
        function("XPath.__call__", 48_210, 12_400, 8.2e-6, 4.1e-4, kind="slot"),
        function("_Element.get", 1_204_551, 310_022, 2.1e-7, 9e-5),
        function("parse", 604, 122, 2.4e-3, 1.9e-3, kind="function"),
    )
    mpz = module(
        "gmpy2.gmpy2",
        function("mpz.__add__", 30_112_004, 20_511, 1.1e-7, 3e-6, kind="slot"),
        scope="module",
        domain="gmpy2.gmpy2",
    )
    unguarded = module("counting", scope="none", domain=None, entries={"guarded": 0, "open": 7})
    quiet = module("yaml._yaml")
    overlaps = [
        {
            "module": "counting",
            "first": "increment",
            "second": "increment",
            "same_object": True,
            "count": 1204,
        }
    ]
    return document(
        etree, mpz, unguarded, quiet, declared("math"), declared("_json"), overlaps=overlaps
    )


def hostile() -> dict[str, Any]:
    """A report in which every text is hostile."""
    modules = [
        module(
            name,
            function(name, 100, 50, 1e-6, 1e-3, kind=name),
            verdict=name,
            mode=name,
            scope=name,
            domain=name,
            file=name,
        )
        for name in HOSTILE
    ]
    overlap = {"same_object": False, "count": 1}
    overlaps = [overlap | dict.fromkeys(("module", "first", "second"), name) for name in HOSTILE]
    found = document(*modules, *(declared(name) for name in HOSTILE), overlaps=overlaps)
    found["program"]["command"] = HOSTILE
    for key in ("executable", "python", "started", "mode"):
        found["program"][key] = "".join(HOSTILE)
    return found
