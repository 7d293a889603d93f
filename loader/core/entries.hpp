// The part of pythonnogil._core that `python -m pythonnogil entries` is made of: which function
// pointers CPython holds, and which functions of CPython's the extensions call.
//
// Thread-safety: attached threads. Errors: Python exceptions.
#pragma once

#include "shim/compat.hpp"

namespace pythonnogil::loader {

// function_pointers(objects): see _core.pyi.
PyObject* function_pointers(PyObject* module, PyObject* objects);

// loaded_imports(path): see _core.pyi.
PyObject* loaded_imports(PyObject* module, PyObject* path);

}  // namespace pythonnogil::loader
