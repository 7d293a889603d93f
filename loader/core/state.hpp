// What one interpreter's copy of the native core knows.
#pragma once

#include "policy/policy.hpp"
#include "pythonnogil/mode.hpp"
#include "shim/compat.hpp"

namespace pythonnogil::loader {

// Written by install(), under the import lock of the hook, before any import reads it.
struct State {
    Mode mode = Mode::off;
    // With the GIL on nothing is guarded, only refused.
    bool gil_is_on = false;
    const policy::Policy* policy = nullptr;  // never freed: records keep pointers into it
    PyObject* announce = nullptr;            // strong; announce of _announcement.py
    PyObject* original = nullptr;            // strong; CPython's _imp.create_dynamic
};

State& state_of(PyObject* module);

// The replacement for _imp.create_dynamic: METH_FASTCALL (spec, file=None).
PyObject* create_dynamic(PyObject* module, PyObject* const* arguments, Py_ssize_t count);

}  // namespace pythonnogil::loader
