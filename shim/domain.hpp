// A domain is what one lock guards: the legacy code of the whole process, for now.
//
// Thread-safety: a Domain has no mutable state but its lock. Only ExclusiveHold takes it.
#pragma once

#include "shim/compat.hpp"

namespace pythonnogil::shim {

class Domain {
  public:
    constexpr Domain() = default;
    Domain(const Domain&) = delete;
    Domain& operator=(const Domain&) = delete;

    // Critical sections lock the mutex in the header of an object. This object is that header and
    // nothing else: it has no type, and no reference to it ever leaves the shim.
    PyObject* lock_object() { return &lock_object_; }
    PyMutex* mutex() { return &lock_object_.ob_mutex; }

    bool has_waiters() const {
        return (__atomic_load_n(&lock_object_.ob_mutex._bits, __ATOMIC_RELAXED) &
                mutex_has_parked) != 0;
    }

    // Called in the child of a fork, where the calling thread is the only one left: whatever
    // another thread held is free now, and nobody waits.
    void reset_after_fork(bool held_by_this_thread) {
        lock_object_.ob_mutex._bits = held_by_this_thread ? mutex_locked : mutex_unlocked;
    }

  private:
    PyObject lock_object_{};
};

// The one domain of this process.
Domain& process_domain();

}  // namespace pythonnogil::shim
