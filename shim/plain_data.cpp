#include "shim/plain_data.hpp"

#include <algorithm>

#include "shim/guarded_tables.hpp"

namespace pythonnogil::shim {

namespace {

bool is_data_type(const PyTypeObject* type) {
    static const PyTypeObject* const data_types[] = {
        &PyUnicode_Type,    &PyLong_Type,  &PyBool_Type,      &PyFloat_Type,
        &PyComplex_Type,    &PyBytes_Type, &PyByteArray_Type, Py_TYPE(Py_None),
        &PyMemoryView_Type, &PyList_Type,  &PyTuple_Type,     &PyDict_Type,
        &PySet_Type,        &PySlice_Type, &PyFrozenSet_Type, &PyCapsule_Type,
    };
    return std::ranges::find(data_types, type) != std::end(data_types);
}

}  // namespace

bool is_plain_data(PyObject* object) {
    if (object == nullptr)
        return true;
    if (PyCFunction_CheckExact(object)) {
        PyObject* const bound_to = PyCFunction_GET_SELF(object);
        return bound_to != nullptr && is_data_type(Py_TYPE(bound_to));
    }
    const PyTypeObject* const type = Py_TYPE(object);
    return is_data_type(type) ||
           ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0 && !is_trusted_code(type));
}

}  // namespace pythonnogil::shim
