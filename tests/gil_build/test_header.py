"""pythonnogil.h on an ordinary build of CPython, with the GIL."""

from pathlib import Path

import pytest
from processes import clean_environment, run_python

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

pytestmark = pytest.mark.timeout(120)


def test_atomic_ref(extensions: Path) -> None:
    code = """
import atomic_ref, gc, sys, threading, weakref
ref = atomic_ref.Ref()
print(ref.get(), ref.swap("one"), ref.get(), ref.compare_and_set("two", "three"), ref.get())
print(ref.compare_and_set(ref.get(), "three"), ref.swap(None), ref.get())
ref.set(1000)
threads = [threading.Thread(target=ref.add, args=(10000,)) for _ in range(4)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
value = type("Value", (), {})()
before = sys.getrefcount(value)
ref.set(value), ref.get(), ref.compare_and_set(None, value), ref.compare_and_set(value, value)
print(sys.getrefcount(value) - before)
value.ref, gone = ref, weakref.ref(value)
del value, ref
gc.collect()
print(gone())
"""
    done = run_python("-c", code, env=clean_environment(PYTHONPATH=extensions))
    assert done.lines() == ["None None one False one", "True three None", "1", "None"]


def test_port_of_the_template_example(extensions: Path) -> None:
    code = """
import letter_template, mailing
mailing.MAILINGS = mailing.CLERKS = 1
work = mailing.Mailings(letter_template)
work.clerk(0)()
print(work.verify() != "")
"""
    path = f"{extensions}:{EXAMPLES}"
    done = run_python("-c", code, env=clean_environment(PYTHONPATH=path))
    assert done.lines() == ["True"]
