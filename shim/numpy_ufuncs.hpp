// Functions that legacy code hands to numpy as inner loops of its ufuncs.
//
// numpy is declared safe, calls them by their pointers, and takes them by functions that stand in a
// table of its own, which it gives away in a capsule. So legacy code gets a copy of that table, in
// which those functions are ours: they put thunks in front of the loops. A loop that numpy calls
// detached needs no guard: nobody has a GIL there either.
//
// Thread-safety: any thread; the copy is made once, and lives for ever. Errors: none; the functions
// in the copy raise ImportError when no thunk is left.
//
// The places in the table are part of numpy's ABI, and can be read in its __ufunc_api.h. Loops that
// numpy gets in a PyArrayMethod_Spec (PyUFunc_AddLoopFromSpec) are not seen here.
#pragma once

#include "shim/compat.hpp"

namespace pythonnogil::shim::numpy_ufuncs {

// What legacy code is to get that takes `pointer` out of an unnamed capsule: the copy, if it is
// numpy's, and otherwise the pointer itself.
void* table_for_legacy_code(PyObject* capsule, void* pointer);

}  // namespace pythonnogil::shim::numpy_ufuncs
