// Declarations of the replacements, for the table in hooked_functions.cpp. Each is named for the
// function it replaces.
#pragma once

#include <pthread.h>

#include "shim/compat.hpp"

// CPython defines some of its functions as macros too; the replacements are functions.
#undef PyCFunction_New
#undef PyCFunction_NewEx
#undef PyModule_Create

namespace pythonnogil::shim::hooks {

// Legacy code calls deprecated functions; naming them here is no use of them.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#define HOOK(function) decltype(::function) function
HOOK(PyModuleDef_Init);
HOOK(PyModule_Create2);
HOOK(PyModule_FromDefAndSpec2);
HOOK(PyModule_AddFunctions);
#ifdef Py_GIL_DISABLED
HOOK(PyUnstable_Module_SetGIL);
#endif
#ifdef PYTHONNOGIL_HAS_SLOT_ARRAYS
HOOK(PyModule_FromSlotsAndSpec);
HOOK(PyType_FromSlots);
HOOK(PyThreadState_Ensure);
HOOK(PyThreadState_EnsureFromView);
HOOK(PyThreadState_Release);
#endif

HOOK(PyType_Ready);
HOOK(PyModule_AddType);
HOOK(PyObject_Init);
HOOK(PyObject_InitVar);
HOOK(_PyObject_New);
HOOK(_PyObject_NewVar);
HOOK(_PyObject_GC_New);
HOOK(_PyObject_GC_NewVar);
HOOK(PyUnstable_Object_GC_NewWithExtraData);
HOOK(PyType_GenericAlloc);
HOOK(PyObject_CallFinalizerFromDealloc);
HOOK(PyType_FromSpec);
HOOK(PyType_FromSpecWithBases);
HOOK(PyType_FromModuleAndSpec);
HOOK(PyType_FromMetaclass);

HOOK(PyCFunction_New);
HOOK(PyCFunction_NewEx);
HOOK(PyCMethod_New);
HOOK(PyDescr_NewMethod);
HOOK(PyDescr_NewClassMethod);
HOOK(PyDescr_NewGetSet);
HOOK(PyDescr_NewWrapper);
HOOK(PyFunction_SetVectorcall);
HOOK(PyCapsule_New);
HOOK(PyCapsule_SetDestructor);
HOOK(PyCapsule_GetPointer);
HOOK(PyCapsule_Import);
HOOK(PyCapsule_GetDestructor);
HOOK(Py_AddPendingCall);
HOOK(PyEval_SetProfile);
HOOK(PyEval_SetTrace);
HOOK(PyEval_SetProfileAllThreads);
HOOK(PyEval_SetTraceAllThreads);
HOOK(PySys_AddAuditHook);
HOOK(PyFile_SetOpenCodeHook);
HOOK(PyUnstable_Eval_RequestCodeExtraIndex);
HOOK(PyUnstable_AtExit);
HOOK(PyDict_AddWatcher);
HOOK(PyType_AddWatcher);
HOOK(PyFunction_AddWatcher);
HOOK(PyCode_AddWatcher);
#ifdef PYTHONNOGIL_HAS_CONTEXT_WATCHERS
HOOK(PyContext_AddWatcher);
#endif
HOOK(PyRefTracer_SetTracer);
HOOK(PyMem_SetAllocator);
HOOK(PyObject_SetArenaAllocator);
HOOK(_PyEval_EvalFrameDefault);
HOOK(_PyInterpreterState_GetEvalFrameFunc);
HOOK(_PyInterpreterState_SetEvalFrameFunc);

HOOK(PyList_GetItem);
HOOK(PyDict_GetItem);
HOOK(PyDict_GetItemWithError);
HOOK(PyDict_GetItemString);
HOOK(PyDict_SetDefault);
HOOK(PyDict_Next);
HOOK(_PyDict_GetItem_KnownHash);
HOOK(_PyDict_GetItemStringWithError);
HOOK(_PySet_NextEntry);
HOOK(PyWeakref_GetObject);
HOOK(PySequence_Fast);
HOOK(PySys_GetObject);
HOOK(_PyType_Lookup);

HOOK(PyObject_CallFunction);
HOOK(PyObject_CallMethod);
HOOK(PyObject_CallFunctionObjArgs);
HOOK(PyObject_CallMethodObjArgs);

HOOK(PyGILState_Ensure);
HOOK(PyGILState_Release);
HOOK(PyEval_AcquireThread);
HOOK(PyEval_RestoreThread);
HOOK(PyEval_ReleaseThread);
HOOK(PyEval_SaveThread);
HOOK(PyThreadState_DeleteCurrent);
HOOK(PyThreadState_Swap);
HOOK(Py_NewInterpreter);
HOOK(Py_NewInterpreterFromConfig);
HOOK(Py_EndInterpreter);
HOOK(Py_Exit);
#undef HOOK
#pragma GCC diagnostic pop

// For __cxa_guard_acquire and pthread_mutex_lock.
int cxa_guard_acquire(void* guard);
int lock_pthread_mutex(pthread_mutex_t* mutex);

#ifdef PYTHONNOGIL_HAS_SLOT_ARRAYS
// Stands for the PyModExport function of the module that is being imported.
PySlot* export_module();
#endif

}  // namespace pythonnogil::shim::hooks
