// Memory of freed guarded objects that another thread may still be about to look at.
//
// A thread that drops the last reference of a merged object needs a few instructions to reach the
// deallocation thunk. Meanwhile legacy code on another thread can find the object through a raw
// pointer, revive it, drop it and free it. So the memory of merged objects is not given back before
// every thread has stopped once: no thread can then be between the drop and the thunk any more.
//
// Thread-safety: any attached thread; one mutex, never held while Python code runs or the world is
// stopped. Errors: none.
#pragma once

#include <atomic>
#include <cstddef>

#include "shim/compat.hpp"

namespace pythonnogil::shim::quarantine {

// A stop of the world costs some ten microseconds with idle threads; shared among this many objects
// it is lost in the cost of freeing them.
inline constexpr std::size_t due_at = 1024;

// Written by the source file alone.
inline constinit std::atomic<std::size_t> added_since_sweep{0};

// What the deallocator of this object frees from now on is held back, until the scope ends.
class Scope {
  public:
    explicit Scope(PyObject* object);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    PyObject* object() const { return object_; }
    const Scope* outer() const { return outer_; }

  private:
    PyObject* object_;
    const Scope* outer_;
};

// Whether this thread is in a scope for the object.
bool is_held_back(const void* object);

// Stand for PyObject_Free and PyObject_GC_Del, as imported functions and as tp_free.
void free_object(void* object);
void free_collected_object(void* object);

// Whether so much is held back that sweep() is due. One relaxed load.
inline bool is_due() {
    return added_since_sweep.load(std::memory_order_relaxed) >= due_at;
}

// Stops the world for a moment and frees what was held back before in this interpreter. To be
// called where the thread may run anything: attached, with no lock held.
void sweep();

// Gives up what is held back: the runtime has ended, so neither memory nor types may be touched.
void forget();

}  // namespace pythonnogil::shim::quarantine
