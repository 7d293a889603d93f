// Callbacks that legacy code hands to CPython, to be called when something happens.

#include <dlfcn.h>

#include <string>

#include "shim/exclusive_hold.hpp"
#include "shim/guard_callback.hpp"
#include "shim/hooks.hpp"

namespace pythonnogil::shim::hooks {

namespace {

// For functions that cannot fail: a callback that cannot be guarded is not installed, and the
// exception is reported.
template <typename Install>
void install_guarded(Py_tracefunc function, const char* name, Install install) {
    if (guard_callback(function, name))
        install(function);
    else
        PyErr_WriteUnraisable(nullptr);
}

// CPython runs watchers in the middle of a change.
template <auto add, typename Function>
int add_watcher(Function function, const char* name) {
    return guard_callback(function, name, EntryKind::watcher) ? add(function) : -1;
}

template <typename Function>
void* address_of(Function* function) {
    return reinterpret_cast<void*>(function);
}

template <typename Function>
bool is_harmless(Function* function) {
    return function == nullptr || is_trusted_code(address_of(function));
}

// For callbacks that CPython runs while it holds locks that it never gives up, so that waiting for
// the guard there could last for ever.
void set_unguardable_error(const char* what, const void* function) {
    Dl_info info{};
    const char* file = dladdr(function, &info) != 0 ? info.dli_fname : "unknown file";
    PyErr_Format(PyExc_RuntimeError,
                 "%s of the legacy extension '%s' was not installed, because it cannot be guarded; "
                 "run with PYTHONNOGIL_MODE=off, or unsafe-nogil if it does its own locking",
                 what, file);
}

}  // namespace

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

int PySys_AddAuditHook(Py_AuditHookFunction function, void* data) {
    return guard_callback(function, "audit hook") ? ::PySys_AddAuditHook(function, data) : -1;
}

int PyFile_SetOpenCodeHook(Py_OpenCodeHookFunction function, void* data) {
    return guard_callback(function, "open code hook") ? ::PyFile_SetOpenCodeHook(function, data)
                                                      : -1;
}

Py_ssize_t PyUnstable_Eval_RequestCodeExtraIndex(freefunc function) {
    return guard_callback(function, "end of a code object's data")
               ? ::PyUnstable_Eval_RequestCodeExtraIndex(function)
               : -1;
}

int PyUnstable_AtExit(PyInterpreterState* interpreter, void (*function)(void*), void* data) {
    return guard_callback(function, "exit function")
               ? ::PyUnstable_AtExit(interpreter, function, data)
               : -1;
}

int PyDict_AddWatcher(PyDict_WatchCallback function) {
    return add_watcher<::PyDict_AddWatcher>(function, "dict watcher");
}

int PyType_AddWatcher(PyType_WatchCallback function) {
    return add_watcher<::PyType_AddWatcher>(function, "type watcher");
}

int PyFunction_AddWatcher(PyFunction_WatchCallback function) {
    return add_watcher<::PyFunction_AddWatcher>(function, "function watcher");
}

int PyCode_AddWatcher(PyCode_WatchCallback function) {
    return add_watcher<::PyCode_AddWatcher>(function, "code watcher");
}

#ifdef PYTHONNOGIL_HAS_CONTEXT_WATCHERS
int PyContext_AddWatcher(PyContext_WatchCallback function) {
    return add_watcher<::PyContext_AddWatcher>(function, "context watcher");
}
#endif

// The evaluator's own code is guarded, not the Python code that it runs: that would be all there
// is.
PyObject* _PyEval_EvalFrameDefault(PyThreadState* thread, _PyInterpreterFrame* frame, int raising) {
    ExclusiveHold* hold = thread_record.innermost;
    const bool given_up = hold != nullptr && hold->give_up();
    PyObject* result = ::_PyEval_EvalFrameDefault(thread, frame, raising);
    if (given_up)
        hold->take_again();
    return result;
}

_PyFrameEvalFunction _PyInterpreterState_GetEvalFrameFunc(PyInterpreterState* interpreter) {
    const _PyFrameEvalFunction function = ::_PyInterpreterState_GetEvalFrameFunc(interpreter);
    return function == ::_PyEval_EvalFrameDefault ? &hooks::_PyEval_EvalFrameDefault : function;
}

void _PyInterpreterState_SetEvalFrameFunc(PyInterpreterState* interpreter,
                                          _PyFrameEvalFunction function) {
    if (function == &hooks::_PyEval_EvalFrameDefault)
        function = ::_PyEval_EvalFrameDefault;
    if (guard_callback(function, "frame evaluator"))
        ::_PyInterpreterState_SetEvalFrameFunc(interpreter, function);
    else
        PyErr_WriteUnraisable(nullptr);
}

int PyRefTracer_SetTracer(PyRefTracer tracer, void* data) {
    if (is_harmless(tracer))
        return ::PyRefTracer_SetTracer(tracer, data);
    set_unguardable_error("the object tracer (PyRefTracer_SetTracer)", address_of(tracer));
    return -1;
}

// The raw domain needs no GIL, so its allocators do their own locking.
void PyMem_SetAllocator(PyMemAllocatorDomain domain, PyMemAllocatorEx* allocator) {
    if (domain == PYMEM_DOMAIN_RAW ||
        (is_harmless(allocator->malloc) && is_harmless(allocator->calloc) &&
         is_harmless(allocator->realloc) && is_harmless(allocator->free))) {
        ::PyMem_SetAllocator(domain, allocator);
        return;
    }
    set_unguardable_error("an allocator (PyMem_SetAllocator)", address_of(allocator->malloc));
    PyErr_WriteUnraisable(nullptr);
}

void PyObject_SetArenaAllocator(PyObjectArenaAllocator* allocator) {
    if (is_harmless(allocator->alloc) && is_harmless(allocator->free)) {
        ::PyObject_SetArenaAllocator(allocator);
        return;
    }
    set_unguardable_error("an allocator (PyObject_SetArenaAllocator)",
                          address_of(allocator->alloc));
    PyErr_WriteUnraisable(nullptr);
}

}  // namespace pythonnogil::shim::hooks
