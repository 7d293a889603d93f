#include "shim/hooked_functions.hpp"

#include <vector>

#include "shim/hooks.hpp"

#ifdef Py_GIL_DISABLED
#include "shim/call_out.hpp"
#include "shim/quarantine.hpp"
#endif

namespace pythonnogil::shim {

namespace {

// Replaced where it is called, not where its address stands in a table: CPython compares slots with its own functions.
#define REPLACE(function) Interposition{#function, reinterpret_cast<void*>(&hooks::function), false}
#define CALL_OUT(function) \
    Interposition { #function, reinterpret_cast<void*>(&CallOutTo<&::function>::call), false }

std::vector<Interposition> answering() {
    return {
        REPLACE(PyModuleDef_Init),
        REPLACE(PyModule_Create2),
        REPLACE(PyModule_FromDefAndSpec2),
#ifdef Py_GIL_DISABLED
        REPLACE(PyUnstable_Module_SetGIL),
#endif
    };
}

std::vector<Interposition> guarding() {
    std::vector<Interposition> all = answering();
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
        REPLACE(PyType_GenericAlloc),
        REPLACE(PyType_FromSpec),
        REPLACE(PyType_FromSpecWithBases),
        REPLACE(PyType_FromModuleAndSpec),
        REPLACE(PyType_FromMetaclass),
        REPLACE(PyCFunction_New),
        REPLACE(PyCFunction_NewEx),
        REPLACE(PyCMethod_New),
        REPLACE(PyDescr_NewMethod),
        REPLACE(PyDescr_NewClassMethod),
        REPLACE(PyDescr_NewGetSet),
        REPLACE(PyCapsule_New),
        REPLACE(PyCapsule_SetDestructor),
        REPLACE(Py_AddPendingCall),
        REPLACE(PyEval_SetProfile),
        REPLACE(PyEval_SetTrace),
        REPLACE(PyEval_SetProfileAllThreads),
        REPLACE(PyEval_SetTraceAllThreads),
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
    };
    const Interposition memory[] = {
        {"PyObject_Free", reinterpret_cast<void*>(&quarantine::free_object), false},
        {"PyObject_GC_Del", reinterpret_cast<void*>(&quarantine::free_collected_object), false},
    };
    const Interposition threads[] = {
        REPLACE(PyGILState_Ensure),
        REPLACE(PyGILState_Release),
    };
    const Interposition calls_out[] = {
        REPLACE(PyObject_CallFunction),
        REPLACE(PyObject_CallMethod),
        REPLACE(PyObject_CallFunctionObjArgs),
        REPLACE(PyObject_CallMethodObjArgs),
        CALL_OUT(PyObject_Call),
        CALL_OUT(PyObject_CallObject),
        CALL_OUT(PyObject_CallNoArgs),
        CALL_OUT(PyObject_CallOneArg),
        CALL_OUT(PyObject_Vectorcall),
        CALL_OUT(PyObject_VectorcallDict),
        CALL_OUT(PyObject_VectorcallMethod),
        CALL_OUT(PyObject_GetAttr),
        CALL_OUT(PyObject_GetAttrString),
        CALL_OUT(PyObject_GetOptionalAttr),
        CALL_OUT(PyObject_SetAttr),
        CALL_OUT(PyObject_SetAttrString),
        CALL_OUT(PyObject_GetItem),
        CALL_OUT(PyObject_SetItem),
        CALL_OUT(PyObject_DelItem),
        CALL_OUT(PyObject_GetIter),
        CALL_OUT(PyObject_Repr),
        CALL_OUT(PyObject_Str),
        CALL_OUT(PyObject_Format),
        CALL_OUT(PyObject_Hash),
        CALL_OUT(PyObject_IsTrue),
        CALL_OUT(PyObject_IsInstance),
        CALL_OUT(PyObject_RichCompare),
        CALL_OUT(PyObject_RichCompareBool),
        CALL_OUT(PyIter_Next),
        CALL_OUT(PySequence_GetItem),
        CALL_OUT(PySequence_SetItem),
        CALL_OUT(PySequence_GetSlice),
        CALL_OUT(PySequence_Contains),
        CALL_OUT(PySequence_List),
        CALL_OUT(PySequence_Tuple),
        CALL_OUT(PySequence_Concat),
        CALL_OUT(PyMapping_GetItemString),
        CALL_OUT(PyMapping_Keys),
        CALL_OUT(PyMapping_Values),
        CALL_OUT(PyMapping_Items),
        CALL_OUT(PyList_SetItem),
        CALL_OUT(PyList_Insert),
        CALL_OUT(PyList_Append),
        CALL_OUT(PyList_GetSlice),
        CALL_OUT(PyList_SetSlice),
        CALL_OUT(PyList_Sort),
        CALL_OUT(PyList_Reverse),
        CALL_OUT(PyList_AsTuple),
        CALL_OUT(PyDict_SetItem),
        CALL_OUT(PyDict_SetItemString),
        CALL_OUT(PyDict_DelItem),
        CALL_OUT(PyDict_DelItemString),
        CALL_OUT(PyDict_Contains),
        CALL_OUT(PyDict_Copy),
        CALL_OUT(PyDict_Update),
        CALL_OUT(PyDict_Merge),
        CALL_OUT(PyDict_Keys),
        CALL_OUT(PyDict_Values),
        CALL_OUT(PyDict_Items),
        CALL_OUT(PyDict_Size),
        CALL_OUT(PySet_Add),
        CALL_OUT(PySet_Discard),
        CALL_OUT(PySet_Contains),
        CALL_OUT(PySet_Pop),
        CALL_OUT(PySet_Size),
        CALL_OUT(PySet_New),
        CALL_OUT(PyFrozenSet_New),
        CALL_OUT(PyUnicode_Join),
        CALL_OUT(PyImport_ImportModule),
        CALL_OUT(PyImport_Import),
        CALL_OUT(PyEval_EvalCode),
        CALL_OUT(PyErr_CheckSignals),
        CALL_OUT(PyNumber_Add),
        CALL_OUT(PyNumber_InPlaceAdd),
    };
    all.insert(all.end(), std::begin(registrations), std::end(registrations));
    all.insert(all.end(), std::begin(borrowed_references), std::end(borrowed_references));
    all.insert(all.end(), std::begin(memory), std::end(memory));
    all.insert(all.end(), std::begin(threads), std::end(threads));
    all.insert(all.end(), std::begin(calls_out), std::end(calls_out));
#endif
    return all;
}

#undef REPLACE
#undef CALL_OUT

}  // namespace

const InterpositionTable& answering_functions() {
    static const InterpositionTable table(answering());
    return table;
}

const InterpositionTable& guarding_functions() {
    static const InterpositionTable table(guarding());
    return table;
}

}  // namespace pythonnogil::shim
