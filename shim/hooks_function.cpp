// Functions, descriptors and callbacks that legacy code hands to CPython one by one.

#include "shim/guarded_tables.hpp"
#include "shim/hooks.hpp"

namespace pythonnogil::shim::hooks {

PyObject* PyCFunction_New(PyMethodDef* method, PyObject* self) {
    return ::PyCMethod_New(guard_method(method), self, nullptr, nullptr);
}

PyObject* PyCFunction_NewEx(PyMethodDef* method, PyObject* self, PyObject* module) {
    return ::PyCMethod_New(guard_method(method), self, module, nullptr);
}

PyObject* PyCMethod_New(PyMethodDef* method, PyObject* self, PyObject* module, PyTypeObject* defining_class) {
    return ::PyCMethod_New(guard_method(method), self, module, defining_class);
}

PyObject* PyDescr_NewMethod(PyTypeObject* type, PyMethodDef* method) {
    return ::PyDescr_NewMethod(type, guard_method(method));
}

PyObject* PyDescr_NewClassMethod(PyTypeObject* type, PyMethodDef* method) {
    return ::PyDescr_NewClassMethod(type, guard_method(method));
}

PyObject* PyDescr_NewGetSet(PyTypeObject* type, PyGetSetDef* getset) {
    return ::PyDescr_NewGetSet(type, guard_getset(getset));
}

PyObject* PyCapsule_New(void* pointer, const char* name, PyCapsule_Destructor destructor) {
    return ::PyCapsule_New(pointer, name,
                           guarded_function(destructor, EntryKind::plain, "capsule destructor"));
}

int PyCapsule_SetDestructor(PyObject* capsule, PyCapsule_Destructor destructor) {
    return ::PyCapsule_SetDestructor(capsule,
                                     guarded_function(destructor, EntryKind::plain, "capsule destructor"));
}

int Py_AddPendingCall(int (*function)(void*), void* argument) {
    return ::Py_AddPendingCall(guarded_function(function, EntryKind::plain, "pending call"), argument);
}

void PyEval_SetProfile(Py_tracefunc function, PyObject* argument) {
    ::PyEval_SetProfile(guarded_function(function, EntryKind::plain, "profile function"), argument);
}

void PyEval_SetTrace(Py_tracefunc function, PyObject* argument) {
    ::PyEval_SetTrace(guarded_function(function, EntryKind::plain, "trace function"), argument);
}

void PyEval_SetProfileAllThreads(Py_tracefunc function, PyObject* argument) {
    ::PyEval_SetProfileAllThreads(guarded_function(function, EntryKind::plain, "profile function"), argument);
}

void PyEval_SetTraceAllThreads(Py_tracefunc function, PyObject* argument) {
    ::PyEval_SetTraceAllThreads(guarded_function(function, EntryKind::plain, "trace function"), argument);
}

}  // namespace pythonnogil::shim::hooks
