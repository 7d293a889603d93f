/*
 * pythonnogil.h: what a C or C++ extension needs to become safe without the GIL, and to say so.
 *
 * One file to copy into a project. Plain C99, also C++11; CPython 3.9 and later, with and without
 * a GIL; needs nothing but Python.h and uses no private API. MIT licence.
 *
 * Declaring that an extension is safe
 *
 *   PYTHONNOGIL_SAFE_SLOT       in the slots of a module with multi-phase initialisation. It brings
 *                               its own comma, because on CPython 3.12 and earlier it is nothing:
 *
 *       static PyModuleDef_Slot slots[] = {
 *           {Py_mod_exec, exec_module},
 *           PYTHONNOGIL_SAFE_SLOT
 *           {0, NULL},
 *       };
 *
 *   PYTHONNOGIL_DECLARE_SAFE(module)
 *                               an expression for a module with single-phase initialisation, to be
 *                               evaluated once in its PyInit function: 0, or -1 with an exception
 *                               set. On builds with a GIL it is 0 and does nothing.
 *
 * The slot may be compiled with the limited API; it is there from Py_LIMITED_API 3.13 on, because
 * earlier interpreters refuse modules with slots that they do not know. For single-phase modules
 * the limited API has no such function, so there the declaration is nothing.
 *
 * PythonNogilAtomicRef: a place in memory that owns a PyObject or is empty
 *
 * It replaces a `PyObject *` in a static, in a module's state or in an instance which one thread
 * reads while another writes it. Under a GIL `Py_INCREF(place)` was one step with reading it.
 * Without one, another thread may replace and free the object in between.
 *
 *   pythonnogil_atomic_ref_get             what it holds, as a new reference; NULL when empty
 *   pythonnogil_atomic_ref_set             stores a value and drops the old one
 *   pythonnogil_atomic_ref_swap            stores a value; the old one, as a new reference
 *   pythonnogil_atomic_ref_compare_and_set stores a value if it holds `expected` itself (`is`, not
 *                                          `==`): 1 when it was stored, 0 when not
 *   PYTHONNOGIL_ATOMIC_REF_VISIT           for tp_traverse and m_traverse
 *   pythonnogil_atomic_ref_clear           for tp_clear, m_clear and tp_dealloc
 *
 * Memory filled with zeros is an empty AtomicRef: statics, what tp_alloc returns and module state
 * need no initialisation; a local variable is initialised by PYTHONNOGIL_ATOMIC_REF_INIT. It has no
 * destructor: clear it before its memory goes away, when no other thread can reach it any more.
 *
 * References: values passed in are borrowed, so the caller keeps its own; NULL is a value ("empty")
 * for set, swap and compare_and_set. What get and swap return belongs to the caller.
 *
 * Thread-safety: any number of threads may use the same AtomicRef. Each operation is one step, and
 * a thread that gets a value sees everything that was written to it before it was stored. The
 * caller needs an attached thread state (under a GIL: the GIL). VISIT alone takes no lock, because
 * the garbage collector calls it when all other threads stand still.
 *
 * On free-threaded builds each AtomicRef carries a PyMutex of one byte, held for a few instructions
 * in which nothing can detach, run Python code or fail. Old values are dropped after it was let go,
 * so a destructor may use the same AtomicRef. A thread that finds the mutex taken waits detached,
 * as in any call into CPython: critical sections that it is in are suspended for that time. On
 * builds with a GIL there is no mutex and the operations are plain assignments.
 *
 * Errors: none, no operation fails or changes the current exception, but set and clear drop a
 * reference, and so may run a destructor. There is no AtomicRef in code that is compiled with the
 * limited API for free-threaded builds (CPython 3.15 and later); PYTHONNOGIL_HAS_ATOMIC_REF tells.
 */
#ifndef PYTHONNOGIL_H
#define PYTHONNOGIL_H

#include <Python.h>

/* The number of the slot differs: 4 up to CPython 3.14, 87 from 3.15 on. CPython's own macro, which
 * the limited API below 3.13 does not show, has the right one. */
#ifdef Py_mod_gil
#define PYTHONNOGIL_SAFE_SLOT {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#else
#define PYTHONNOGIL_SAFE_SLOT
#endif

#if defined(Py_GIL_DISABLED) && !defined(Py_LIMITED_API)
#define PYTHONNOGIL_DECLARE_SAFE(module) PyUnstable_Module_SetGIL((module), Py_MOD_GIL_NOT_USED)
#else
#define PYTHONNOGIL_DECLARE_SAFE(module) ((void)(module), 0)
#endif

#if defined(Py_GIL_DISABLED) && defined(Py_LIMITED_API)
#define PYTHONNOGIL_HAS_ATOMIC_REF 0
#else
#define PYTHONNOGIL_HAS_ATOMIC_REF 1

/* The members are for the functions below only. */
#ifdef Py_GIL_DISABLED
typedef struct PythonNogilAtomicRef {
    PyObject* object;
    PyMutex mutex; /* protects object, and the moment between reading it and its Py_INCREF */
} PythonNogilAtomicRef;

/* clang-format off */
#define PYTHONNOGIL_ATOMIC_REF_INIT {NULL, {0}}
/* clang-format on */
#define PYTHONNOGIL_LOCK(ref) PyMutex_Lock(&(ref)->mutex)
#define PYTHONNOGIL_UNLOCK(ref) PyMutex_Unlock(&(ref)->mutex)
#else
typedef struct PythonNogilAtomicRef {
    PyObject* object;
} PythonNogilAtomicRef;

/* clang-format off */
#define PYTHONNOGIL_ATOMIC_REF_INIT {NULL}
/* clang-format on */
#define PYTHONNOGIL_LOCK(ref) ((void)(ref))
#define PYTHONNOGIL_UNLOCK(ref) ((void)(ref))
#endif

static inline PyObject* pythonnogil_atomic_ref_get(PythonNogilAtomicRef* ref) {
    PyObject* object;

    PYTHONNOGIL_LOCK(ref);
    object = ref->object;
    Py_XINCREF(object);
    PYTHONNOGIL_UNLOCK(ref);
    return object;
}

static inline PyObject* pythonnogil_atomic_ref_swap(PythonNogilAtomicRef* ref, PyObject* value) {
    PyObject* old;

    Py_XINCREF(value);
    PYTHONNOGIL_LOCK(ref);
    old = ref->object;
    ref->object = value;
    PYTHONNOGIL_UNLOCK(ref);
    return old;
}

static inline void pythonnogil_atomic_ref_set(PythonNogilAtomicRef* ref, PyObject* value) {
    PyObject* old = pythonnogil_atomic_ref_swap(ref, value);

    Py_XDECREF(old);
}

static inline int pythonnogil_atomic_ref_compare_and_set(PythonNogilAtomicRef* ref,
                                                         PyObject* expected, PyObject* value) {
    int stored;

    Py_XINCREF(value);
    PYTHONNOGIL_LOCK(ref);
    stored = ref->object == expected;
    if (stored)
        ref->object = value;
    PYTHONNOGIL_UNLOCK(ref);
    /* One reference too many either way: the one that the AtomicRef had to the old value, or the
     * one that was taken for it to the new. */
    if (stored)
        Py_XDECREF(expected);
    else
        Py_XDECREF(value);
    return stored;
}

static inline void pythonnogil_atomic_ref_clear(PythonNogilAtomicRef* ref) {
    pythonnogil_atomic_ref_set(ref, NULL);
}

/* Needs the parameters `visit` and `arg` in scope, as Py_VISIT does. */
#define PYTHONNOGIL_ATOMIC_REF_VISIT(ref) Py_VISIT((ref)->object)

#endif /* PYTHONNOGIL_HAS_ATOMIC_REF */

#endif /* PYTHONNOGIL_H */
