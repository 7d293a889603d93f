// Functions and descriptors that legacy code makes one by one.

#include "shim/attempt.hpp"
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

}  // namespace pythonnogil::shim::hooks
