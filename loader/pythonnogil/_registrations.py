"""The functions and variables by which an extension hands CPython functions of its own.

For each name, why what it is given needs no guard, or an empty text: then it has to be redirected.
"""

_IN_THE_CALL = "called within the guarded call that hands it over, never later"
_DETACHED = "called by a detached thread, which would not hold a GIL either"
_NO_FUNCTIONS = "CPython fills the type with functions of its own"

REGISTRATIONS: dict[str, str] = {
    # modules
    "PyModuleDef_Init": "",
    "PyModule_Create2": "",
    "PyModule_FromDefAndSpec2": "",
    "PyModule_FromSlotsAndSpec": "",
    "PyModule_AddFunctions": "",
    "PyModule_ExecDef": _IN_THE_CALL,
    "PyImport_CreateModuleFromInitfunc": _IN_THE_CALL,
    "PyInitConfig_AddModule": "called before Python starts",
    "PyImport_AppendInittab": "",
    "PyImport_ExtendInittab": "",
    # types, which an object can bring along before they are ready
    "PyModule_AddType": "",
    "PyType_Ready": "",
    "PyType_FromSpec": "",
    "PyType_FromSpecWithBases": "",
    "PyType_FromModuleAndSpec": "",
    "PyType_FromMetaclass": "",
    "PyType_FromSlots": "",
    "PyObject_Init": "",
    "PyObject_InitVar": "",
    "_PyObject_New": "",
    "_PyObject_NewVar": "",
    "_PyObject_GC_New": "",
    "_PyObject_GC_NewVar": "",
    "PyUnstable_Object_GC_NewWithExtraData": "",
    "PyType_GenericAlloc": "",
    "PyType_GenericNew": "works only for a type that is ready",
    "PyStructSequence_InitType": _NO_FUNCTIONS,
    "PyStructSequence_InitType2": _NO_FUNCTIONS,
    "PyStructSequence_NewType": _NO_FUNCTIONS,
    # functions, descriptors and capsules
    "PyCFunction_New": "",
    "PyCFunction_NewEx": "",
    "PyCMethod_New": "",
    "PyDescr_NewMethod": "",
    "PyDescr_NewClassMethod": "",
    "PyDescr_NewGetSet": "",
    "PyDescr_NewWrapper": "",
    "PyFunction_SetVectorcall": "",
    "PyCapsule_New": "",
    "PyCapsule_SetDestructor": "",
    "_PyCapsule_SetTraverse": "",
    # callbacks of the interpreter
    "Py_AddPendingCall": "",
    "Py_AtExit": "called when the interpreter is gone, and its threads with it",
    "PyUnstable_AtExit": "",
    "PyEval_SetProfile": "",
    "PyEval_SetTrace": "",
    "PyEval_SetProfileAllThreads": "",
    "PyEval_SetTraceAllThreads": "",
    "_PyInterpreterState_SetEvalFrameFunc": "",
    "PyUnstable_Eval_RequestCodeExtraIndex": "",
    "_PyEval_RequestCodeExtraIndex": "",
    "PySys_AddAuditHook": "",
    "PyFile_SetOpenCodeHook": "",
    "PyRefTracer_SetTracer": "",
    "PyCode_AddWatcher": "",
    "PyContext_AddWatcher": "",
    "PyDict_AddWatcher": "",
    "PyFunction_AddWatcher": "",
    "PyType_AddWatcher": "",
    "PyMem_SetAllocator": "",
    "PyObject_SetArenaAllocator": "",
    "PyOS_InputHook": _DETACHED,
    "PyOS_ReadlineFunctionPointer": _DETACHED,
    "PyOS_setsig": "a signal handler must not call CPython, so it cannot take a guard",
    # functions that are called and forgotten
    "PyThread_start_new_thread": "a new thread is guarded when it attaches",
    "PyThread_start_joinable_thread": "a new thread is guarded when it attaches",
    "PyUnstable_GC_VisitObjects": _IN_THE_CALL,
    "PyObject_VisitManagedDict": _IN_THE_CALL,
    "_PyObject_VisitManagedDict": _IN_THE_CALL,
    "PyArg_Parse": _IN_THE_CALL,
    "PyArg_ParseTuple": _IN_THE_CALL,
    "PyArg_ParseTupleAndKeywords": _IN_THE_CALL,
    "PyArg_VaParse": _IN_THE_CALL,
    "PyArg_VaParseTupleAndKeywords": _IN_THE_CALL,
    "Py_BuildValue": _IN_THE_CALL,
    "Py_VaBuildValue": _IN_THE_CALL,
}

# Where the address of one of them stands in data, and no call through that place needs redirecting.
IN_DATA: dict[str, str] = {
    "PyType_GenericAlloc": "a slot of a type, which has our function until the type is guarded",
}
