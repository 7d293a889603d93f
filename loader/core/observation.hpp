// The part of pythonnogil._core that watches guarded and unguarded code run: overlaps of calls into
// unguarded modules, and long waits for a guard.
//
// Thread-safety: attached threads. Errors: Python exceptions.
#pragma once

#include "shim/compat.hpp"

namespace pythonnogil::loader {

// record_overlaps() and overlaps(): see _core.pyi.
PyObject* record_overlaps(PyObject* module, PyObject* no_arguments);
PyObject* overlaps(PyObject* module, PyObject* no_arguments);

// The four functions of the watchdog: see _core.pyi.
PyObject* watchdog_signal(PyObject* module, PyObject* no_arguments);
PyObject* start_watchdog(PyObject* module, PyObject* arguments);
PyObject* restart_watchdog(PyObject* module, PyObject* file);
PyObject* stop_watchdog(PyObject* module, PyObject* no_arguments);

}  // namespace pythonnogil::loader
