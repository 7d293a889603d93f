// Types that legacy code made from a specification and may still write into.
//
// Before Python 3.14 a specification cannot name tp_vectorcall, so extensions (nanobind among them)
// set it in the finished type. Nothing of ours is called then, so the types are looked at once more
// when each guarded call returns, until the outermost has: no other thread gets in before that
// unless the call lets go of the guard.
//
// Thread-safety: belongs to the thread that made the types. Errors: none; a function that cannot
// be guarded is taken out of the type, and CPython then goes through tp_call.
#pragma once

#include "shim/compat.hpp"

namespace pythonnogil::shim::new_types {

// Whether this thread made any that are not settled yet. Read on every guarded call.
extern thread_local constinit bool pending
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

// Throws std::bad_alloc; nothing is remembered then.
void remember(PyTypeObject* type);

void guard();

// Guards, and forgets them.
void settle();

}  // namespace pythonnogil::shim::new_types
