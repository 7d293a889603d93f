#include "shim/dying_object.hpp"

#include "shim/exclusive_hold.hpp"
#include "shim/gil_lease.hpp"
#include "shim/main_thread_deaths.hpp"
#include "shim/own_finalizer.hpp"
#include "shim/python_subclass.hpp"
#include "shim/quarantine.hpp"

namespace pythonnogil::shim {

namespace {

Py_ssize_t load_shared(PyObject* object) {
    return __atomic_load_n(&object->ob_ref_shared, __ATOMIC_ACQUIRE);
}

bool replace_shared(PyObject* object, Py_ssize_t& expected, Py_ssize_t desired) {
    return __atomic_compare_exchange_n(&object->ob_ref_shared, &expected, desired, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

bool is_merged(Py_ssize_t shared) {
    return (shared & shared_flags) == shared_merged;
}

// An unmerged object dies on the thread that owns it, and nobody else can deallocate it meanwhile.
bool dies_unmerged(PyObject* object) {
    return __atomic_load_n(&object->ob_tid, __ATOMIC_RELAXED) == _Py_ThreadId() &&
           object->ob_ref_local == 0;
}

// Gives the object away: from now on its count is held in the shared half alone, `extra` references
// added. Returns the new shared half.
Py_ssize_t merge(PyObject* object, Py_ssize_t extra) {
    // CPython's order (_Py_MergeZeroLocalRefcount): no owner first, then the flag.
    __atomic_store_n(&object->ob_tid, 0, __ATOMIC_RELAXED);
    Py_ssize_t shared = load_shared(object);
    Py_ssize_t merged;
    do {
        merged = ((shared & ~shared_flags) | shared_merged) + extra * shared_count_one;
    } while (!replace_shared(object, shared, merged));
    return merged;
}

// Takes a reference to a merged object whose count is zero. False when it is not zero: then
// somebody revived the object, or frees it already.
bool take_back(PyObject* object) {
    Py_ssize_t zero = shared_merged;
    return replace_shared(object, zero, shared_merged + shared_count_one);
}

// Takes a reference to a dying object, so that it may be waited for something. False as above.
bool keep(PyObject* object) {
    if (!dies_unmerged(object))
        return take_back(object);
    merge(object, 1);
    return true;
}

// Makes this thread the only one that can deallocate a merged object with the given count: the
// object becomes unmerged, with a count of zero and this thread as its owner, as if it had died
// there. Takes the `count` references away.
bool claim(PyObject* object, Py_ssize_t count) {
    Py_ssize_t expected = shared_merged + count * shared_count_one;
    if (!replace_shared(object, expected, 0))
        return false;
    __atomic_store_n(&object->ob_tid, _Py_ThreadId(), __ATOMIC_RELAXED);
    return true;
}

// Gives the reference of take_back() up again: true when it was the last one, and the object is
// claimed.
bool drop_or_claim(PyObject* object) {
    Py_ssize_t shared = load_shared(object);
    while (!claim(object, 1)) {
        if (shared > shared_merged + shared_count_one &&
            replace_shared(object, shared, shared - shared_count_one))
            return false;
        shared = load_shared(object);
    }
    return true;
}

void call(const Entry& entry, PyObject* object) {
    entry.function(reinterpret_cast<std::intptr_t>(object), 0, 0, 0, 0, 0);
}

void finalize_and_call(const Entry& entry, PyObject* object) {
    const own_finalizer::Call finalizer(object);
    if (!finalizer.revived())
        call(entry, object);
}

void run(const Entry& entry, PyObject* object) {
    const Trashcan trashcan(object);
    if (trashcan.deposited())
        return;
    if (own_finalizer::is_missed(entry, object)) [[unlikely]]
        finalize_and_call(entry, object);
    else
        call(entry, object);
}

// Runs the deallocator of an object that was merged, so that other threads may have late pointers
// to it.
void run_claimed(const Entry& entry, PyObject* object) {
    const quarantine::Scope scope(object);
    run(entry, object);
}

// Waits for the guard with a reference in hand, so that neither the garbage collector nor a second
// thread that revives and drops the object finds it dead meanwhile.
void deallocate_after_waiting(const Entry& entry, PyObject* object) {
    ExclusiveHold hold(*entry.domain);
    if (drop_or_claim(object))
        run_claimed(entry, object);
    hold.leave();
}

// The owner's way, and by far the most common: nobody else can deallocate the object, so it may be
// looked at again once the guard is held. False when the guard is not free.
bool deallocate_at_once(const Entry& entry, PyObject* object) {
    ExclusiveHold hold(*entry.domain, ExclusiveHold::TryOnly{});
    const bool held = hold.held();
    if (held && load_shared(object) == 0)
        run(entry, object);
    // Legacy code that found the object through a raw pointer has added to the shared half, or did
    // and dropped it again.
    else if (held && merge(object, 0) == shared_merged && claim(object, 0))
        run_claimed(entry, object);
    hold.leave();
    return held;
}

// Inside the guard, dropping the last reference and deallocating is one step, as it is with a GIL,
// unless another thread that dropped the last reference before the object was revived has taken it
// back by now: then that one deallocates it. A legacy deallocator that calls the one of its base
// type comes this way too; its object is claimed.
void deallocate_inside(const Entry& entry, PyObject* object) {
    ExclusiveHold hold(*entry.domain);
    if (!is_merged(load_shared(object)))
        run(entry, object);
    else if (claim(object, 0))
        run_claimed(entry, object);
    hold.leave();
}

}  // namespace

void deallocate_guarded(const Entry& entry, PyObject* object) {
    // Most classes were seen to when their first instance was made; one whose instances legacy code
    // allocates without its tp_new shows here first.
    python_subclass::guard(Py_TYPE(object));
    if (ExclusiveHold::in_force(*entry.domain)) {
        deallocate_inside(entry, object);
    } else if (!dies_unmerged(object)) {
        if (take_back(object))
            deallocate_after_waiting(entry, object);
    } else if (!deallocate_at_once(entry, object)) {
        merge(object, 1);
        deallocate_after_waiting(entry, object);
    }
}

void deallocate_unguarded(const Entry& entry, PyObject* object) {
    run(entry, object);
}

void deallocate_shared(const Entry& entry, PyObject* object) {
    const bool may_be_seen = PyObject_IS_GC(object) && PyObject_GC_IsTracked(object);
    if (may_be_seen && !keep(object))
        return;
    ExclusiveHold hold(*entry.domain, ExclusiveHold::Shared{});
    if (!may_be_seen)
        run(entry, object);
    else if (drop_or_claim(object))
        run_claimed(entry, object);
    hold.leave();
}

void deallocate_with_gil(const Entry& entry, PyObject* object) {
    python_subclass::guard(Py_TYPE(object));
    if (ExclusiveHold::in_force(*entry.domain)) {
        const gil_lease::Pin pin;
        if (pin.pinned())
            deallocate_inside(entry, object);
        else
            PyErr_WriteUnraisable(nullptr);
        return;
    }
    if (!keep(object))
        return;
    PyObject* raised = PyErr_GetRaisedException();
    const gil_lease::Pin pin;
    if (pin.pinned()) {
        PyErr_SetRaisedException(raised);
        deallocate_after_waiting(entry, object);
    } else {
        PyErr_WriteUnraisable(nullptr);
        PyErr_SetRaisedException(raised);
    }
}

void leave_to_main_thread(PyObject* object) {
    if (keep(object))
        main_thread_deaths::add(object);
}

}  // namespace pythonnogil::shim
