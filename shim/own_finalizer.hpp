// Deallocators that call the finalizer only where they find themselves in the type's tp_dealloc.
//
// Cython's do, so as not to call it a second time for a subclass. They find the thunk there, and
// the finalizer would never be called. So it is called here, before the deallocator runs, when the
// object is of the very type that the deallocator belongs to. Should the deallocator call it after
// all, that has no effect.
//
// Thread-safety: the thread that deallocates. Errors: none.
#pragma once

#include "shim/compat.hpp"
#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim::own_finalizer {

// Whether the code of the deallocator takes its own address, to compare it with something.
bool looks_for_itself(const Entry& entry);

// Whether the deallocator, which is about to run, will miss its object's finalizer.
inline bool is_missed(const Entry& entry, const PyObject* object) {
    const PyTypeObject* type = Py_TYPE(object);
    return type->tp_finalize != nullptr &&
           reinterpret_cast<void*>(type->tp_dealloc) ==
               reinterpret_cast<void*>(thunk_pool::thunk_of(entry)) &&
           looks_for_itself(entry);
}

// The call, and the time until the deallocator has returned.
class Call {
  public:
    explicit Call(PyObject* object);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    // The object is not to be deallocated then.
    bool revived() const { return revived_; }

    const PyObject* object() const { return object_; }
    const Call* outer() const { return outer_; }

  private:
    const PyObject* object_;
    const Call* outer_;
    bool revived_;
};

// Whether this thread is in such a call for the object.
bool was_called_for(const PyObject* object);

}  // namespace pythonnogil::shim::own_finalizer
