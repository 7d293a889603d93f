// Borrowed references: each of these takes a strong one under the hood and keeps it until the
// outermost guarded call returns. Outside a guarded call they are CPython's own.

#include "shim/borrowed_pool.hpp"
#include "shim/call_out.hpp"
#include "shim/hooks.hpp"

namespace pythonnogil::shim::hooks {

namespace {

PyObject* lent_item(PyObject* dict, PyObject* key) {
    PyObject* item = nullptr;
    PyDict_GetItemRef(dict, key, &item);
    return lend(item);
}

// The pool outlives every guarded call; outside of one, nothing but the caller's luck ever kept the
// object alive.
PyObject* lend_or_drop(PyObject* strong) {
    if (inside_guarded_call())
        return lend(strong);
    Py_XDECREF(strong);
    return strong;
}

// A new reference to what PySys_GetObject finds. False when CPython has to be asked: a program has
// put something else in the place of the module, or the name is no text.
bool find_in_sys(const char* name, PyObject*& found) {
    PyObject* const module_name = PyUnicode_InternFromString("sys");
    PyObject* const module = module_name == nullptr ? nullptr : PyImport_GetModule(module_name);
    Py_XDECREF(module_name);
    int failed = -1;
    if (module != nullptr && PyModule_CheckExact(module))
        failed = PyDict_GetItemStringRef(PyModule_GetDict(module), name, &found);
    Py_XDECREF(module);
    PyErr_Clear();
    return failed >= 0;
}

// A step of PyDict_Next that returns strong references.
int next_entry(PyObject* dict, Py_ssize_t* position, PyObject*& key, PyObject*& value) {
    const int found = ::PyDict_Next(dict, position, &key, &value);
    Py_XINCREF(key);
    Py_XINCREF(value);
    return found;
}

// Runs `body` with the container locked, if it is not locked already.
template <typename Body>
auto locked(PyObject* container, Body body) {
    if (ExclusiveHold::has_section_of(container))
        return body();
    PyCriticalSection section;
    PyCriticalSection_Begin(&section, container);
    const auto result = body();
    PyCriticalSection_End(&section);
    return result;
}

// A look-up by a text key takes no lock, unless the dict is the locked argument and new to this
// thread.
bool may_lock(PyObject* dict, PyObject* key) {
    return !PyUnicode_CheckExact(key) || ExclusiveHold::has_locked(dict);
}

// True when no other thread holds a reference to the list or has ever looked into it.
bool is_of_this_thread_alone(PyObject* list) {
    return __atomic_load_n(&list->ob_tid, __ATOMIC_RELAXED) == _Py_ThreadId() &&
           __atomic_load_n(&list->ob_ref_shared, __ATOMIC_RELAXED) == 0 &&
           (__atomic_load_n(&list->ob_gc_bits, __ATOMIC_RELAXED) & gc_bit_shared) == 0;
}

}  // namespace

// Needs no call out: reading an item takes no lock, but for the first time that a thread reads
// another's list.
PyObject* PyList_GetItem(PyObject* list, Py_ssize_t index) {
    if (!inside_guarded_call() || !PyList_Check(list))
        return ::PyList_GetItem(list, index);
    // A list that its maker has not filled yet has no items in some places, which is no error; it
    // is its maker's alone. PyList_GetItemRef would crash.
    if ((ExclusiveHold::has_locked(list) || is_of_this_thread_alone(list)) && index >= 0 &&
        index < PyList_GET_SIZE(list)) {
        PyObject* item = PyList_GET_ITEM(list, index);
        return item == nullptr ? nullptr : lend(Py_NewRef(item));
    }
    return lend(PyList_GetItemRef(list, index));
}

// Ignores every error, as documented; CPython 3.13 reports them as unraisable, and its words are
// kept.
PyObject* PyDict_GetItem(PyObject* dict, PyObject* key) {
    if (!inside_guarded_call() || !PyDict_Check(dict))
        return ::PyDict_GetItem(dict, key);
    CallOut call_out(dict, key);
    PyObject* raised = PyErr_GetRaisedException();
    PyObject* item = lent_item(dict, key);
    if (item == nullptr && PyErr_Occurred() != nullptr)
        PyErr_FormatUnraisable(
            "Exception ignored in PyDict_GetItem(); consider using "
            "PyDict_GetItemRef() or PyDict_GetItemWithError()");
    PyErr_SetRaisedException(raised);
    call_out.returned();
    return item;
}

PyObject* PyDict_GetItemWithError(PyObject* dict, PyObject* key) {
    if (!inside_guarded_call() || !PyDict_Check(dict))
        return ::PyDict_GetItemWithError(dict, key);
    if (!may_lock(dict, key))
        return lent_item(dict, key);
    CallOut call_out(dict, key);
    PyObject* item = lent_item(dict, key);
    call_out.returned();
    return item;
}

PyObject* PyDict_GetItemString(PyObject* dict, const char* key) {
    if (!inside_guarded_call() || !PyDict_Check(dict))
        return ::PyDict_GetItemString(dict, key);
    CallOut call_out(dict);
    PyObject* raised = PyErr_GetRaisedException();
    PyObject* item = nullptr;
    if (PyDict_GetItemStringRef(dict, key, &item) < 0)
        PyErr_FormatUnraisable(
            "Exception ignored in PyDict_GetItemString(); consider using "
            "PyDict_GetItemRefString()");
    PyErr_SetRaisedException(raised);
    call_out.returned();
    return lend(item);
}

PyObject* PyDict_SetDefault(PyObject* dict, PyObject* key, PyObject* value) {
    if (!inside_guarded_call() || !PyDict_Check(dict))
        return ::PyDict_SetDefault(dict, key, value);
    CallOut call_out(dict, key);
    PyObject* item = nullptr;
    PyDict_SetDefaultRef(dict, key, value, &item);
    call_out.returned();
    return lend(item);
}

// One step is atomic, and what it returns stays alive. A dict that another thread changes between
// two steps may still skip or repeat entries, as it may under a GIL when the loop calls into
// Python; a locked argument cannot change.
int PyDict_Next(PyObject* dict, Py_ssize_t* position, PyObject** key, PyObject** value) {
    if (!inside_guarded_call() || !PyDict_Check(dict))
        return ::PyDict_Next(dict, position, key, value);
    PyObject* found_key = nullptr;
    PyObject* found_value = nullptr;
    const int found =
        locked(dict, [&] { return next_entry(dict, position, found_key, found_value); });
    if (found == 0)
        return 0;
    lend(found_key);
    lend(found_value);
    if (key != nullptr)
        *key = found_key;
    if (value != nullptr)
        *value = found_value;
    return found;
}

// CPython's own drops its reference to the item before it returns, and may let go of the dict's
// lock meanwhile. The hash is that of the key.
PyObject* _PyDict_GetItem_KnownHash(PyObject* dict, PyObject* key, Py_hash_t hash) {
    if (!inside_guarded_call() || !PyDict_Check(dict))
        return ::_PyDict_GetItem_KnownHash(dict, key, hash);
    return hooks::PyDict_GetItemWithError(dict, key);
}

PyObject* _PyDict_GetItemStringWithError(PyObject* dict, const char* key) {
    CallOut call_out;
    PyObject* item = nullptr;
    PyDict_GetItemStringRef(dict, key, &item);
    call_out.returned();
    return lend_or_drop(item);
}

int _PySet_NextEntry(PyObject* set, Py_ssize_t* position, PyObject** key, Py_hash_t* hash) {
    if (!inside_guarded_call() || !PyAnySet_Check(set))
        return ::_PySet_NextEntry(set, position, key, hash);
    PyObject* found_key = nullptr;
    const int found = locked(set, [&] {
        const int step = ::_PySet_NextEntry(set, position, &found_key, hash);
        if (step > 0)
            Py_INCREF(found_key);
        return step;
    });
    if (found > 0)
        *key = lend(found_key);
    return found;
}

PyObject* PyWeakref_GetObject(PyObject* reference) {
    if (reference == nullptr || !PyWeakref_Check(reference)) {
        PyErr_BadInternalCall();
        return nullptr;
    }
    PyObject* object = nullptr;
    PyWeakref_GetRef(reference, &object);
    return object == nullptr ? Py_None : lend_or_drop(object);
}

// The caller reads the result by macro, so of a list that another thread may change it gets a copy.
// Others it gets itself, as it would from CPython: some callers keep it, and expect to see later
// changes.
PyObject* PySequence_Fast(PyObject* sequence, const char* message) {
    if (!inside_guarded_call() || sequence == nullptr || !PyList_CheckExact(sequence) ||
        is_of_this_thread_alone(sequence))
        return ::PySequence_Fast(sequence, message);
    CallOut call_out(sequence);
    PyObject* snapshot = PyList_GetSlice(sequence, 0, PY_SSIZE_T_MAX);
    call_out.returned();
    return snapshot;
}

// CPython's own has dropped its reference when it returns.
PyObject* PySys_GetObject(const char* name) {
    if (!inside_guarded_call())
        return ::PySys_GetObject(name);
    PyObject* raised = PyErr_GetRaisedException();
    PyObject* item = nullptr;
    if (!find_in_sys(name, item))
        item = Py_XNewRef(::PySys_GetObject(name));
    PyErr_SetRaisedException(raised);
    return lend(item);
}

PyObject* _PyType_Lookup(PyTypeObject* type, PyObject* name) {
    return inside_guarded_call() ? lend(_PyType_LookupRef(type, name))
                                 : ::_PyType_Lookup(type, name);
}

}  // namespace pythonnogil::shim::hooks
