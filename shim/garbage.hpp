// Guarded objects that the garbage collector takes for garbage.
//
// With a GIL nothing happens between the moment at which the collector finds an object unreachable
// and its finalizer. Here the other threads go on in between, and legacy code can find the object
// through a raw pointer of its own. That need not even be a cycle: CPython leaves it to the
// collector to free an object whose last references were dropped by threads that do not own it, and
// takes that one and what it owns for cyclic garbage. A finalizer of such an object that somebody
// has found is put off until the object dies.
//
// Thread-safety: called on the thread that collects; the list of objects that were found has a
// mutex that is never held while Python code runs. Errors: when memory is short, the finalizer is
// not put off.
#pragma once

#include "shim/compat.hpp"
#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim {

// Runs the legacy tp_finalize of `entry` on `object` under the guard, unless it has to be put off.
void finalize_guarded(const Entry& entry, PyObject* object);

// An object whose finalizer was put off is kept until the collector has seen that it is alive.
// Drops those of this interpreter of which it has; called from time to time where the thread may
// run anything.
void drop_found_objects();

// Gives them up: the runtime has ended, so no object may be touched.
void forget_found_objects();

}  // namespace pythonnogil::shim
