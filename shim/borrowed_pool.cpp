#include "shim/borrowed_pool.hpp"

#include <algorithm>

#include "shim/exclusive_hold.hpp"

namespace pythonnogil::shim {

namespace {

// Frees the pool with its thread. By then it is empty: the thread's last guarded call has returned.
struct PoolOwner {
    ~PoolOwner() { thread_record.borrowed = nullptr; }
    BorrowedPool pool;
};

// The owner of the object may be counting at this moment.
bool is_immortal(PyObject* object) {
    return __atomic_load_n(&object->ob_ref_local, __ATOMIC_RELAXED) == _Py_IMMORTAL_REFCNT_LOCAL;
}

}  // namespace

BorrowedPool& BorrowedPool::of_this_thread() {
    thread_local PoolOwner owner;
    thread_record.borrowed = &owner.pool;
    return owner.pool;
}

void BorrowedPool::keep(PyObject* strong) {
    if (is_immortal(strong) || (!kept_.empty() && kept_.back() == strong)) {
        Py_DECREF(strong);
        return;
    }
    if (kept_.size() >= duplicates_limit_)
        drop_duplicates();
    kept_.push_back(strong);
}

// A long call that walks the same containers again and again would otherwise keep one entry for
// every look-up. None of these references is the last one, so nothing is freed here.
void BorrowedPool::drop_duplicates() {
    std::sort(kept_.begin(), kept_.end());
    std::size_t unique = 0;
    for (PyObject* object : kept_) {
        if (unique > 0 && kept_[unique - 1] == object)
            Py_DECREF(object);
        else
            kept_[unique++] = object;
    }
    kept_.resize(unique);
    duplicates_limit_ = std::max<std::size_t>(4096, unique * 2);
}

// Dropping a reference can run a finalizer that enters guarded code and drains this pool itself:
// every step leaves the pool whole.
void BorrowedPool::drain_all() {
    PyObject* raised = PyErr_GetRaisedException();
    while (!kept_.empty()) {
        PyObject* object = kept_.back();
        kept_.pop_back();
        Py_DECREF(object);
    }
    duplicates_limit_ = 4096;
    if (raised != nullptr)
        PyErr_SetRaisedException(raised);
}

PyObject* lend(PyObject* strong) {
    if (strong != nullptr) {
        BorrowedPool* const pool = thread_record.borrowed;
        (pool != nullptr ? *pool : BorrowedPool::of_this_thread()).keep(strong);
    }
    return strong;
}

}  // namespace pythonnogil::shim
