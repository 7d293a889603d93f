#include "shim/hooked_functions.hpp"

#include <span>
#include <vector>

#include "shim/hooks.hpp"

#ifdef Py_GIL_DISABLED
#include "shim/call_out.hpp"
#include "shim/quarantine.hpp"
#endif

namespace pythonnogil::shim {

namespace {

template <typename Function>
void* address_of(Function* function) {
    return reinterpret_cast<void*>(function);
}

// Replaced where it is called, and where its address stands in data, for calls through tables. In
// the slot of a type, CPython's own goes back when the type is guarded.
#define REPLACE(function) \
    { #function, address_of(&hooks::function), true }

const Interposition answers[] = {
    REPLACE(PyModuleDef_Init),          REPLACE(PyModule_Create2),
    REPLACE(PyModule_FromDefAndSpec2),
#ifdef Py_GIL_DISABLED
    REPLACE(PyUnstable_Module_SetGIL),
#endif
#ifdef PYTHONNOGIL_HAS_SLOT_ARRAYS
    REPLACE(PyModule_FromSlotsAndSpec),
#endif
};

#ifdef Py_GIL_DISABLED

const Interposition registrations[] = {
    REPLACE(PyModule_AddFunctions),
    REPLACE(PyType_Ready),
    REPLACE(PyModule_AddType),
    REPLACE(PyObject_Init),
    REPLACE(PyObject_InitVar),
    REPLACE(_PyObject_New),
    REPLACE(_PyObject_NewVar),
    REPLACE(_PyObject_GC_New),
    REPLACE(_PyObject_GC_NewVar),
    REPLACE(PyUnstable_Object_GC_NewWithExtraData),
    REPLACE(PyType_GenericAlloc),
    REPLACE(PyObject_CallFinalizerFromDealloc),
    REPLACE(PyType_FromSpec),
    REPLACE(PyType_FromSpecWithBases),
    REPLACE(PyType_FromModuleAndSpec),
    REPLACE(PyType_FromMetaclass),
#ifdef PYTHONNOGIL_HAS_SLOT_ARRAYS
    REPLACE(PyType_FromSlots),
#endif
    REPLACE(PyCFunction_New),
    REPLACE(PyCFunction_NewEx),
    REPLACE(PyCMethod_New),
    REPLACE(PyDescr_NewMethod),
    REPLACE(PyDescr_NewClassMethod),
    REPLACE(PyDescr_NewGetSet),
    REPLACE(PyDescr_NewWrapper),
    REPLACE(PyFunction_SetVectorcall),
    REPLACE(PyCapsule_New),
    REPLACE(PyCapsule_SetDestructor),
    REPLACE(PyCapsule_GetDestructor),
    REPLACE(Py_AddPendingCall),
    REPLACE(PyEval_SetProfile),
    REPLACE(PyEval_SetTrace),
    REPLACE(PyEval_SetProfileAllThreads),
    REPLACE(PyEval_SetTraceAllThreads),
    REPLACE(PySys_AddAuditHook),
    REPLACE(PyFile_SetOpenCodeHook),
    REPLACE(PyUnstable_Eval_RequestCodeExtraIndex),
    REPLACE(PyUnstable_AtExit),
    REPLACE(PyDict_AddWatcher),
    REPLACE(PyType_AddWatcher),
    REPLACE(PyFunction_AddWatcher),
    REPLACE(PyCode_AddWatcher),
#ifdef PYTHONNOGIL_HAS_CONTEXT_WATCHERS
    REPLACE(PyContext_AddWatcher),
#endif
};

// What these do makes sense only where code is kept out.
const Interposition exclusions[] = {
    REPLACE(PyCapsule_GetPointer),
    REPLACE(PyCapsule_Import),
    REPLACE(PyRefTracer_SetTracer),
    REPLACE(PyMem_SetAllocator),
    REPLACE(PyObject_SetArenaAllocator),
    {"_PyEval_EvalFrameDefault", address_of(&hooks::_PyEval_EvalFrameDefault), false},
    REPLACE(_PyInterpreterState_GetEvalFrameFunc),
    REPLACE(_PyInterpreterState_SetEvalFrameFunc),
};

const Interposition borrowed_references[] = {
    REPLACE(PyList_GetItem),
    REPLACE(PyDict_GetItem),
    REPLACE(PyDict_GetItemWithError),
    REPLACE(PyDict_GetItemString),
    REPLACE(PyDict_SetDefault),
    REPLACE(PyDict_Next),
    REPLACE(PyWeakref_GetObject),
    REPLACE(PySequence_Fast),
    REPLACE(PySys_GetObject),
    REPLACE(_PyType_Lookup),
    REPLACE(_PyDict_GetItem_KnownHash),
    REPLACE(_PyDict_GetItemStringWithError),
    REPLACE(_PySet_NextEntry),
};

const Interposition threads[] = {
    REPLACE(PyGILState_Ensure),           REPLACE(PyGILState_Release),
    REPLACE(PyEval_AcquireThread),        REPLACE(PyEval_RestoreThread),
    REPLACE(PyEval_ReleaseThread),        REPLACE(PyEval_SaveThread),
    REPLACE(PyThreadState_DeleteCurrent), REPLACE(PyThreadState_Swap),
    REPLACE(Py_NewInterpreter),           REPLACE(Py_NewInterpreterFromConfig),
    REPLACE(Py_EndInterpreter),           REPLACE(Py_Exit),
#ifdef PYTHONNOGIL_HAS_SLOT_ARRAYS
    REPLACE(PyThreadState_Ensure),        REPLACE(PyThreadState_EnsureFromView),
    REPLACE(PyThreadState_Release),
#endif
};

const Interposition native_locks[] = {
    {"__cxa_guard_acquire", address_of(&hooks::cxa_guard_acquire), true},
    {"pthread_mutex_lock", address_of(&hooks::lock_pthread_mutex), true},
};

const Interposition variadic_calls[] = {
    REPLACE(PyObject_CallFunction),
    REPLACE(PyObject_CallMethod),
    REPLACE(PyObject_CallFunctionObjArgs),
    REPLACE(PyObject_CallMethodObjArgs),
};

// The functions from here on may be meant for the slots of types, and CPython compares slots with
// its own functions. So they are replaced only where they are called.
const Interposition memory[] = {
    {"PyObject_Free", address_of(&quarantine::free_object), false},
    {"PyObject_GC_Del", address_of(&quarantine::free_collected_object), false},
};

#define CALL_OUT(function) {#function, address_of(&CallOutTo<&::function>::call), false},
const Interposition calls_out[] = {
#include "shim/call_outs.inc"
};
#undef CALL_OUT

#define CALL_ON(function) {#function, address_of(&CallOn<&::function>::call), false},
const Interposition calls_on_containers[] = {
#include "shim/calls_on_containers.inc"
};
#undef CALL_ON

InterpositionTable joined(std::initializer_list<std::span<const Interposition>> parts) {
    std::vector<Interposition> all;
    for (const std::span<const Interposition> part : parts)
        all.insert(all.end(), part.begin(), part.end());
    return InterpositionTable(all);
}

InterpositionTable make_guarding_table() {
    return joined({answers, registrations, exclusions, borrowed_references, memory, threads,
                   native_locks, variadic_calls, calls_out, calls_on_containers});
}

InterpositionTable make_witnessing_table() {
    return joined({answers, registrations});
}

#else

InterpositionTable make_witnessing_table() {
    return InterpositionTable(answers);
}

InterpositionTable make_guarding_table() {
    return InterpositionTable(answers);
}

#endif

#undef REPLACE

}  // namespace

const InterpositionTable& answering_functions() {
    static const InterpositionTable table(answers);
    return table;
}

const InterpositionTable& guarding_functions() {
    static const InterpositionTable table = make_guarding_table();
    return table;
}

const InterpositionTable& witnessing_functions() {
    static const InterpositionTable table = make_witnessing_table();
    return table;
}

}  // namespace pythonnogil::shim
