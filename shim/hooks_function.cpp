// Functions, descriptors and callbacks that legacy code hands to CPython one by one.

#include "shim/attempt.hpp"
#include "shim/guarded_tables.hpp"
#include "shim/hooks.hpp"

namespace pythonnogil::shim::hooks {

namespace {

// Replaces a callback by its thunk. False, with an exception set, when there is none left.
template <typename Function>
bool guard_callback(Function& function, const char* name) {
    return attempt(
        [&] { function = guarded_function(function, EntryKind::plain, EntryName(name)); });
}

// For functions that cannot fail: a callback that cannot be guarded is not installed, and the
// exception is reported.
template <typename Install>
void install_guarded(Py_tracefunc function, const char* name, Install install) {
    if (guard_callback(function, name))
        install(function);
    else
        PyErr_WriteUnraisable(nullptr);
}

}  // namespace

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

PyObject* PyCapsule_New(void* pointer, const char* name, PyCapsule_Destructor destructor) {
    if (!guard_callback(destructor, "capsule destructor"))
        return nullptr;
    return ::PyCapsule_New(pointer, name, destructor);
}

int PyCapsule_SetDestructor(PyObject* capsule, PyCapsule_Destructor destructor) {
    if (!guard_callback(destructor, "capsule destructor"))
        return -1;
    return ::PyCapsule_SetDestructor(capsule, destructor);
}

int Py_AddPendingCall(int (*function)(void*), void* argument) {
    if (!guard_callback(function, "pending call"))
        return -1;
    return ::Py_AddPendingCall(function, argument);
}

void PyEval_SetProfile(Py_tracefunc function, PyObject* argument) {
    install_guarded(function, "profile function",
                    [&](Py_tracefunc guarded) { ::PyEval_SetProfile(guarded, argument); });
}

void PyEval_SetTrace(Py_tracefunc function, PyObject* argument) {
    install_guarded(function, "trace function",
                    [&](Py_tracefunc guarded) { ::PyEval_SetTrace(guarded, argument); });
}

void PyEval_SetProfileAllThreads(Py_tracefunc function, PyObject* argument) {
    install_guarded(function, "profile function", [&](Py_tracefunc guarded) {
        ::PyEval_SetProfileAllThreads(guarded, argument);
    });
}

void PyEval_SetTraceAllThreads(Py_tracefunc function, PyObject* argument) {
    install_guarded(function, "trace function",
                    [&](Py_tracefunc guarded) { ::PyEval_SetTraceAllThreads(guarded, argument); });
}

}  // namespace pythonnogil::shim::hooks
