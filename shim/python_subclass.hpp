// Python subclasses of legacy types.
//
// CPython deallocates their instances in a function of its own, which clears the subclass's part of
// the object and only then calls the deallocator of the legacy base. Guarding the base alone would
// let legacy code find and revive an object that is half torn down. So such a class gets a
// deallocator that runs under the guard from the start.
//
// Thread-safety: any attached thread. Errors: none; a class that cannot be guarded from the start
// keeps CPython's deallocator, with the base guarded.
#pragma once

#include "shim/compat.hpp"

namespace pythonnogil::shim::python_subclass {

// Learns the address of CPython's own deallocator from a class made for that. False with an
// exception set.
bool learn_from_interpreter();

// Sees to a class that legacy code is about to make, or CPython to deallocate, an instance of. Does
// nothing when the class is no Python subclass, or has been seen to.
void guard(PyTypeObject* type);

}  // namespace pythonnogil::shim::python_subclass
