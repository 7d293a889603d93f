// The part of pythonnogil._core that begins and ends traces.
//
// Thread-safety: attached threads. Errors: Python exceptions.
#pragma once

#include "shim/compat.hpp"

namespace pythonnogil::loader {

// start_trace(), stop_trace() and name_thread(): see _core.pyi.
PyObject* start_trace(PyObject* module, PyObject* arguments);
PyObject* stop_trace(PyObject* module, PyObject* no_arguments);
PyObject* name_thread(PyObject* module, PyObject* arguments);

}  // namespace pythonnogil::loader
