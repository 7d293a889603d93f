// Functions and descriptors that legacy code makes one by one.

#include "shim/attempt.hpp"
#include "shim/guard_callback.hpp"
#include "shim/guarded_tables.hpp"
#include "shim/hooks.hpp"
#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim::hooks {

int PyModule_AddFunctions(PyObject* module, PyMethodDef* functions) {
    if (!attempt([&] { functions = guard_methods(functions, nullptr); }))
        return -1;
    return ::PyModule_AddFunctions(module, functions);
}

PyObject* PyCFunction_New(PyMethodDef* method, PyObject* self) {
    return hooks::PyCMethod_New(method, self, nullptr, nullptr);
}

PyObject* PyCFunction_NewEx(PyMethodDef* method, PyObject* self, PyObject* module) {
    return hooks::PyCMethod_New(method, self, module, nullptr);
}

PyObject* PyCMethod_New(PyMethodDef* method, PyObject* self, PyObject* module,
                        PyTypeObject* defining_class) {
    if (!attempt([&] { method = guard_method(method, nullptr); }))
        return nullptr;
    return ::PyCMethod_New(method, self, module, defining_class);
}

PyObject* PyDescr_NewMethod(PyTypeObject* type, PyMethodDef* method) {
    if (!attempt([&] { method = guard_method(method, type->tp_name); }))
        return nullptr;
    return ::PyDescr_NewMethod(type, method);
}

PyObject* PyDescr_NewClassMethod(PyTypeObject* type, PyMethodDef* method) {
    if (!attempt([&] { method = guard_method(method, type->tp_name); }))
        return nullptr;
    return ::PyDescr_NewClassMethod(type, method);
}

PyObject* PyDescr_NewGetSet(PyTypeObject* type, PyGetSetDef* getset) {
    if (!attempt([&] { getset = guard_getset(getset, type->tp_name); }))
        return nullptr;
    return ::PyDescr_NewGetSet(type, getset);
}

PyObject* PyDescr_NewWrapper(PyTypeObject* type, wrapperbase* base, void* wrapped) {
    if (!attempt([&] { guard_wrapper(base, wrapped, type->tp_name); }))
        return nullptr;
    return ::PyDescr_NewWrapper(type, base, wrapped);
}

// It cannot fail. A function that cannot be guarded is not put in, and the exception is reported.
void PyFunction_SetVectorcall(PyFunctionObject* function, vectorcallfunc vectorcall) {
    if (guard_callback(vectorcall, "vectorcall of a function", EntryKind::vector))
        ::PyFunction_SetVectorcall(function, vectorcall);
    else
        PyErr_WriteUnraisable(nullptr);
}

}  // namespace pythonnogil::shim::hooks
