// The part of pythonnogil._core behind pythonnogil.stats(): turns recording on, and sums up what
// was recorded by module and function.
//
// Thread-safety: attached threads. Errors: Python exceptions.
#pragma once

#include "shim/compat.hpp"

namespace pythonnogil::loader {

// start_recording(), stop_recording(), recording() and statistics(): see _core.pyi.
PyObject* start_recording(PyObject* module, PyObject* no_arguments);
PyObject* stop_recording(PyObject* module, PyObject* no_arguments);
PyObject* recording(PyObject* module, PyObject* no_arguments);
PyObject* statistics(PyObject* module, PyObject* no_arguments);

}  // namespace pythonnogil::loader
