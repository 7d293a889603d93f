// The part of pythonnogil._core that watches guarded and unguarded code run: overlaps of calls into
// unguarded modules.
//
// Thread-safety: attached threads. Errors: Python exceptions.
#pragma once

#include "shim/compat.hpp"

namespace pythonnogil::loader {

// record_overlaps() and overlaps(): see _core.pyi.
PyObject* record_overlaps(PyObject* module, PyObject* no_arguments);
PyObject* overlaps(PyObject* module, PyObject* no_arguments);

}  // namespace pythonnogil::loader
