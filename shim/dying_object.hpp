// Deallocation of guarded objects.
//
// Under a GIL, dropping the last reference and deallocating is one step. Here a thread drops the
// last reference outside legacy code and may then have to wait for the guard, while legacy code
// finds the object through a raw pointer of its own and takes a reference to it again. The rules
// that keep such an object whole are in ARCHITECTURE.md.
//
// Thread-safety: called by CPython on whichever thread dropped the last reference.
#pragma once

#include "shim/compat.hpp"
#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim {

// Runs the legacy deallocator of `entry` on `object` under the guard, unless somebody revived the
// object first.
void deallocate_guarded(const Entry& entry, PyObject* object);

// The same where no lock is wanted.
void deallocate_unguarded(const Entry& entry, PyObject* object);

// The same while other readers may be inside.
void deallocate_shared(const Entry& entry, PyObject* object);

// The same with the GIL on. Where it cannot be turned on, the object is left alone: its code must
// not run.
void deallocate_with_gil(const Entry& entry, PyObject* object);

// Takes the last reference back and has the main thread drop it, as soon as it can. For types whose
// code may run on that thread alone. When the process ends before, the object is not deallocated.
void leave_to_main_thread(PyObject* object);

}  // namespace pythonnogil::shim
