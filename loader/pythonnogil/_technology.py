"""What an extension was made with, by the traces that each generator leaves in the file."""

import re

from pythonnogil._elf_reader import Elf


def technology_of(elf: Elf, module: str) -> str:
    """The generator or library, with its version where the file has it."""
    for name, pattern in _TRACES:
        found = pattern.search(elf.data)
        # The library that cffi itself uses is written by hand.
        if found is not None and not (name == "cffi" and module == "_cffi_backend"):
            version = _version(found)
            return f"{name} {version}" if version else name
    if any(library.startswith("libboost_python") for library in elf.needed):
        return "Boost.Python"
    if "PyModuleDef_Init" in elf.imports:
        return "hand-written multi-phase"
    if "PyModule_Create2" in elf.imports:
        return "hand-written single-phase"
    return "unknown"


def _version(found: re.Match[bytes]) -> str:
    text = found.group(1) if found.re.groups else None
    return text.decode("ascii").replace("_", ".") if text else ""


# The module in which Cython's types are shared, and the path that Rust notes in its panic messages,
# name the version; the others name that of their internals, if any, which says less.
_TRACES = [
    ("Cython", re.compile(rb"_cython_(\d+(?:_\d+)+(?:[ab]\d+|rc\d+|dev\d+)?)")),
    ("Cython", re.compile(rb"__pyx_capi__|__pyx_unpickle|pyx_vtable")),
    ("PyO3", re.compile(rb"pyo3-(\d+\.\d+\.\d+)")),
    ("PyO3", re.compile(rb"pyo3_runtime")),
    ("nanobind", re.compile(rb"nanobind")),
    ("pybind11", re.compile(rb"__pybind11_internals|pybind11")),
    ("Boost.Python", re.compile(rb"Boost\.Python")),
    ("SWIG", re.compile(rb"swig_runtime_data|SwigPyObject")),
    ("cffi", re.compile(rb"_cffi_backend")),
    ("mypyc", re.compile(rb"mypyc_attrs|CPyStatic_|mypyc filter")),
]
