"""Tries to import a module that is refused, twice; whether a byte of the loaded file is
different then: MODULE."""

import ctypes
import glob
import sys

import stage


def writable_memory(file: str) -> bytes:
    """All that the file's pages hold which can differ from the file: tables, statics, imports."""
    content = b""
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            words = line.split()
            if words[-1] != file:
                continue
            start, end = (int(word, 16) for word in words[0].split("-"))
            if "x" not in words[1]:
                memory.seek(start)
                content += memory.read(end - start)
    return content


name = sys.argv[1]
(file,) = glob.glob(f"{stage.FIXTURES}/{name}.*.so")
# Loaded from outside first, with everything bound: the import finds it there.
handle = ctypes.PyDLL(file, mode=2)
before = writable_memory(file)
refusals = []
for _ in range(2):
    try:
        __import__(name)
    except (ImportError, Warning) as error:
        refusals.append(type(error).__name__)
after = writable_memory(file)
changed = sum(one != other for one, other in zip(before, after))
stage.report(
    changed + (len(before) != len(after)) + (name in sys.modules),
    size=len(before),
    refusals=refusals,
)
