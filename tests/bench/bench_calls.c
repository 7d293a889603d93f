/* What the call benchmarks call. Compiled several times: with DECLARED as declared_calls, and as
 * legacy modules that a policy may treat in different ways. So both sides of a ratio differ in
 * nothing but the guard. MODULE_INIT is the name of the init function. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <time.h>

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

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

/* Computes for 50 us and calls nothing of CPython meanwhile. */
static PyObject* hold(PyObject* self, PyObject* const* args, Py_ssize_t nargs) {
    (void)self, (void)args, (void)nargs;
    const double end = seconds_now() + 50e-6;
    while (seconds_now() < end) {
    }
    Py_RETURN_NONE;
}

/* Sleeps for some milliseconds, detached, and returns the moment at which it woke up. What time
 * passes from that moment on is spent waiting for the right to run. */
static PyObject* nap(PyObject* self, PyObject* const* args, Py_ssize_t nargs) {
    (void)self, (void)args, (void)nargs;
    const struct timespec length = {0, 2 * 1000 * 1000};
    PyThreadState* thread = PyEval_SaveThread();
    nanosleep(&length, NULL);
    const double woken = seconds_now();
    PyEval_RestoreThread(thread);
    return PyFloat_FromDouble(woken);
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

static PyMethodDef thing_methods[] = {
    {"work", (PyCFunction)(void (*)(void))work, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot thing_slots[] = {
    {Py_tp_dealloc, thing_dealloc},
    {Py_tp_methods, thing_methods},
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

/* The truth value of an object, asked for `count` times. */
static PyObject* truths(PyObject* self, PyObject* const* args, Py_ssize_t nargs) {
    (void)self;
    if (nargs != 2)
        return PyErr_Format(PyExc_TypeError, "truths(object, count)");
    const long count = PyLong_AsLong(args[1]);
    for (long i = 0; i < count; ++i) {
        if (PyObject_IsTrue(args[0]) < 0)
            return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"empty", (PyCFunction)(void (*)(void))empty, METH_FASTCALL, NULL},
    {"work", (PyCFunction)(void (*)(void))work, METH_FASTCALL, NULL},
    {"hold", (PyCFunction)(void (*)(void))hold, METH_FASTCALL, NULL},
    {"nap", (PyCFunction)(void (*)(void))nap, METH_FASTCALL, NULL},
    {"call_back", (PyCFunction)(void (*)(void))call_back, METH_FASTCALL, NULL},
    {"first_items", (PyCFunction)(void (*)(void))first_items, METH_FASTCALL, NULL},
    {"truths", (PyCFunction)(void (*)(void))truths, METH_FASTCALL, NULL},
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

PyMODINIT_FUNC MODULE_INIT(void) {
    return PyModuleDef_Init(&definition);
}
