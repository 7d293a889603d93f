#include "loader/core/tracing.hpp"

#ifdef Py_GIL_DISABLED

#include <system_error>

#include "shim/recorder.hpp"

namespace pythonnogil::loader {

PyObject* start_trace(PyObject*, PyObject* arguments) {
    PyObject* file = nullptr;
    unsigned long long limit = shim::trace::default_limit;
    if (PyArg_ParseTuple(arguments, "O&|K:start_trace", PyUnicode_FSConverter, &file, &limit) == 0)
        return nullptr;
    PyObject* result = nullptr;
    try {
        shim::recorder::start();
        result = PyBool_FromLong(shim::trace::start(PyBytes_AS_STRING(file), limit) ? 1 : 0);
    } catch (const std::system_error& error) {
        errno = error.code().value();
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, PyBytes_AS_STRING(file));
    }
    Py_DECREF(file);
    return result;
}

// Detached, since another thread may be writing.
PyObject* stop_trace(PyObject*, PyObject*) {
    PyThreadState* const thread = PyEval_SaveThread();
    shim::trace::stop();
    PyEval_RestoreThread(thread);
    Py_RETURN_NONE;
}

PyObject* name_thread(PyObject*, PyObject* arguments) {
    int thread = 0;
    const char* name = nullptr;
    if (PyArg_ParseTuple(arguments, "is:name_thread", &thread, &name) == 0)
        return nullptr;
    shim::trace::name_thread(thread, name);
    Py_RETURN_NONE;
}

}  // namespace pythonnogil::loader

#else

namespace pythonnogil::loader {

// With a GIL nothing is guarded, so there is nothing to trace.
PyObject* start_trace(PyObject*, PyObject*) {
    Py_RETURN_FALSE;
}

PyObject* stop_trace(PyObject*, PyObject*) {
    Py_RETURN_NONE;
}

PyObject* name_thread(PyObject*, PyObject*) {
    Py_RETURN_NONE;
}

}  // namespace pythonnogil::loader

#endif
