/* What the call benchmarks call. Compiled twice: as legacy_calls, and with DECLARED as
 * declared_calls, so that the guarded and the plain side of a ratio differ in nothing but the
 * guard. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject* empty(PyObject* self, PyObject* const* args, Py_ssize_t nargs) {
    (void)self, (void)args, (void)nargs;
    Py_RETURN_NONE;
}

/* About a microsecond and a half of work that no compiler can leave out. */
static PyObject* work(PyObject* self, PyObject* const* args, Py_ssize_t nargs) {
    (void)self, (void)args, (void)nargs;
    unsigned long value = 88172645463325252UL;
    for (int i = 0; i < 800; ++i) {
        value ^= value << 13;
        value ^= value >> 7;
        value ^= value << 17;
    }
    return PyLong_FromUnsignedLong(value);
}

/* One level of re-entry: the callback usually calls call_back again. */
static PyObject* call_back(PyObject* self, PyObject* const* args, Py_ssize_t nargs) {
    (void)self;
    if (nargs != 2) {
        PyErr_SetString(PyExc_TypeError, "call_back(callback, argument)");
        return NULL;
    }
    return PyObject_CallOneArg(args[0], args[1]);
}

typedef struct {
    PyObject_HEAD
} Thing;

static void thing_dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot thing_slots[] = {
    {Py_tp_dealloc, thing_dealloc},
    {0, NULL},
};

static PyType_Spec thing_spec = {
    .name = "bench_calls.Thing",
    .basicsize = sizeof(Thing),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = thing_slots,
};

/* The first item of a list, read `count` times by a borrowed reference. */
static PyObject* first_items(PyObject* self, PyObject* const* args, Py_ssize_t nargs) {
    (void)self;
    if (nargs != 2)
        return PyErr_Format(PyExc_TypeError, "first_items(list, count)");
    PyObject* item = Py_None;
    const long count = PyLong_AsLong(args[1]);
    for (long i = 0; i < count; ++i) {
        item = PyList_GetItem(args[0], 0);
        if (item == NULL)
            return NULL;
    }
    return Py_NewRef(item);
}

static PyMethodDef functions[] = {
    {"empty", (PyCFunction)(void (*)(void))empty, METH_FASTCALL, NULL},
    {"work", (PyCFunction)(void (*)(void))work, METH_FASTCALL, NULL},
    {"call_back", (PyCFunction)(void (*)(void))call_back, METH_FASTCALL, NULL},
    {"first_items", (PyCFunction)(void (*)(void))first_items, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static int exec(PyObject* module) {
    PyObject* type = PyType_FromSpec(&thing_spec);
    return PyModule_Add(module, "Thing", type);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, exec},
#ifdef DECLARED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "bench_calls",
    .m_methods = functions,
    .m_slots = slots,
};

#ifdef DECLARED
PyMODINIT_FUNC PyInit_declared_calls(void) {
    return PyModuleDef_Init(&definition);
}
#else
PyMODINIT_FUNC PyInit_legacy_calls(void) {
    return PyModuleDef_Init(&definition);
}
#endif
