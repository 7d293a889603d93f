// Guarded objects that the garbage collector takes for garbage.
//
// With a GIL nothing happens between the moment at which the collector finds an object unreachable
// and its finalizer. Here the other threads go on in between, and legacy code can find the object
// through a raw pointer of its own. That need not even be a cycle: CPython leaves it to the
// collector to free an object whose last references were dropped by threads that do not own it, and
// takes that one and what it owns for cyclic garbage. A finalizer of such an object that somebody
// has found is put off until the object dies.
//
// Thread-safety: called on the thread that collects. Errors: when memory is short, the finalizer is
// not put off.
#pragma once

#include "shim/compat.hpp"
#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim {

// Runs the legacy tp_finalize of `entry` on `object` under the guard, unless it has to be put off.
void finalize_guarded(const Entry& entry, PyObject* object);

// Runs the legacy tp_clear of `entry` on `object` under the guard, and returns its result. An
// object whose finalizer has been put off is left whole: it dies by its count, or with the next
// collection.
std::intptr_t clear_guarded(const Entry& entry, PyObject* object);

}  // namespace pythonnogil::shim
