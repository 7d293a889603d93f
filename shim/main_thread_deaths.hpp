// Objects whose last reference the main thread has to drop, because their deallocator may run on no
// other thread.
//
// Thread-safety: any thread, attached; one mutex, never held while Python code runs. Errors: none.
// An object stays until the main thread handles pending calls; in the child of a fork, the objects
// of threads that are not there any more still die.
#pragma once

#include "shim/compat.hpp"

namespace pythonnogil::shim::main_thread_deaths {

// Takes over a reference.
void add(PyObject* object);

}  // namespace pythonnogil::shim::main_thread_deaths
