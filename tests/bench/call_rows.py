"""Single calls: what the guard adds to them, and which of them run at the same time."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from children import GUARDED, run_script
from measure import Comparison
from rows import added_row, ratio_row, throughput_row

READERS = """
version = 1
[[module]]
match = "reader_calls"
readers = ["empty", "work", "Thing.work"]
"""

OBJECTS = """
version = 1
[[module]]
match = "object_calls"
scope = "object"
"""


def figures(rounds: int, group: str, policy: str = "version = 1\n") -> dict[str, Comparison]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "policy.toml")
        file.write_text(policy)
        output = run_script(
            "in_process.py", str(rounds), group, PYTHONNOGIL_POLICY=str(file), **GUARDED
        )
    return {
        name: Comparison([(left, right) for left, right in pairs])
        for name, pairs in json.loads(output).items()
    }


def rows(rounds: int) -> Iterator[str]:
    of_calls = figures(rounds, "calls")
    yield ratio_row(
        "guarded call of an empty `METH_FASTCALL` function, exclusive / plain call",
        of_calls["empty"],
        "<= 1.5",
        "ns",
    )
    readers = figures(rounds, "readers", READERS)
    yield ratio_row("the same, shared / plain call", readers["empty"], "<= 1.35", "ns")
    yield ratio_row(
        "guarded call of a function of 1 us or more / plain", of_calls["work"], "<= 1.03", "ns"
    )
    yield ratio_row(
        "making and freeing an object of a legacy type / of a declared one",
        of_calls["things"],
        "",
        "ns",
    )
    yield ratio_row(
        "freeing such an object from outside (`list.pop()`), guarded / plain",
        of_calls["free one by one"],
        "<= 1.6",
        "ns",
    )
    yield added_row(
        "the same by `list.clear()`, nanoseconds added for each object",
        of_calls["free all"],
        "",
    )
    yield added_row(
        "interposed C-API call (`PyObject_IsTrue`), nanoseconds added to the direct one",
        of_calls["interposed"],
        "<= 2",
    )
    yield added_row("borrowed list item, nanoseconds added", of_calls["borrowed"], "<= 6")
    yield added_row(
        "re-entry through a Python callback, nanoseconds added per level",
        of_calls["levels"],
        "<= 50",
    )
    yield added_row(
        "guarded call while calls are recorded (`pythonnogil.start_recording`), nanoseconds added",
        of_calls["recorded"],
        "<= 20",
    )
    yield throughput_row(
        "2 threads in reader functions / 1 thread, throughput",
        readers["two threads"],
        ">= 1.9",
        "ms",
        threads=2,
    )
    yield throughput_row(
        "2 threads on different objects in scope `object` / 1 thread, throughput",
        figures(rounds, "objects", OBJECTS)["two threads"],
        ">= 1.8",
        "ms",
        threads=2,
    )
