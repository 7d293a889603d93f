#include "loader/core/observation.hpp"

#ifdef Py_GIL_DISABLED
#include "loader/core/module_records.hpp"
#include "shim/overlaps.hpp"
#include "shim/thread_capture.hpp"
#include "shim/watchdog.hpp"
#endif

namespace pythonnogil::loader {

#ifdef Py_GIL_DISABLED

namespace {

PyObject* describe(const shim::overlaps::Overlap& overlap) {
    return Py_BuildValue("{s:s,s:s,s:s,s:O,s:K}", "module", overlap.module.c_str(), "first",
                         overlap.first.c_str(), "second", overlap.second.c_str(), "same_object",
                         overlap.same_object ? Py_True : Py_False, "count",
                         static_cast<unsigned long long>(overlap.count));
}

std::string module_of(const std::string& file) {
    for (const ModuleRecord& record : module_records::all()) {
        if (record.path == file)
            return record.name;
    }
    return {};
}

}  // namespace

PyObject* record_overlaps(PyObject*, PyObject*) {
    shim::overlaps::record();
    Py_RETURN_NONE;
}

PyObject* overlaps(PyObject*, PyObject*) {
    PyObject* list = PyList_New(0);
    for (const shim::overlaps::Overlap& overlap : shim::overlaps::all()) {
        PyObject* item = list == nullptr ? nullptr : describe(overlap);
        const bool appended = item != nullptr && PyList_Append(list, item) == 0;
        Py_XDECREF(item);
        if (!appended)
            Py_CLEAR(list);
    }
    return list;
}

// There is one for the process, and the main interpreter starts and stops it.
PyObject* watchdog_signal(PyObject*, PyObject*) {
    const bool may_start =
        PyInterpreterState_Get() == PyInterpreterState_Main() && !shim::watchdog::is_on.load();
    return PyLong_FromLong(may_start ? shim::thread_capture::free_signal() : 0);
}

PyObject* start_watchdog(PyObject*, PyObject* arguments) {
    double limit = 0;
    shim::watchdog::Settings settings{};
    if (!PyArg_ParseTuple(arguments, "diii:start_watchdog", &limit, &settings.state_signal,
                          &settings.capture_signal, &settings.python_stacks))
        return nullptr;
    settings.limit_ns = static_cast<std::int64_t>(limit * 1e9);
    settings.module_of = module_of;
    shim::watchdog::start(settings);
    Py_RETURN_NONE;
}

PyObject* restart_watchdog(PyObject*, PyObject* file) {
    const int python_stacks = PyLong_AsInt(file);
    if (python_stacks == -1 && PyErr_Occurred() != nullptr)
        return nullptr;
    shim::watchdog::restart_in_child(python_stacks);
    Py_RETURN_NONE;
}

PyObject* stop_watchdog(PyObject*, PyObject*) {
    Py_BEGIN_ALLOW_THREADS shim::watchdog::stop();
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

#else

// With a GIL nothing overlaps.
PyObject* record_overlaps(PyObject*, PyObject*) {
    Py_RETURN_NONE;
}

PyObject* overlaps(PyObject*, PyObject*) {
    return PyList_New(0);
}

// Nor does anybody wait for a guard. Without a signal Python asks for nothing else.
PyObject* watchdog_signal(PyObject*, PyObject*) {
    return PyLong_FromLong(0);
}

PyObject* start_watchdog(PyObject*, PyObject*) {
    Py_RETURN_NONE;
}

PyObject* restart_watchdog(PyObject*, PyObject*) {
    Py_RETURN_NONE;
}

PyObject* stop_watchdog(PyObject*, PyObject*) {
    Py_RETURN_NONE;
}

#endif

}  // namespace pythonnogil::loader
