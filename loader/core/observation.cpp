#include "loader/core/observation.hpp"

#ifdef Py_GIL_DISABLED
#include "shim/overlaps.hpp"
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

#else

// With a GIL nothing overlaps.
PyObject* record_overlaps(PyObject*, PyObject*) {
    Py_RETURN_NONE;
}

PyObject* overlaps(PyObject*, PyObject*) {
    return PyList_New(0);
}

#endif

}  // namespace pythonnogil::loader
