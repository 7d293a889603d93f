// Tells Cython's functions apart, which all come through one entry: the tp_call of their type.
//
// Cython makes its functions instances of a type of its own, which the modules of one version of
// Cython share. Such a call is recorded under an entry that exists for that purpose only, with the
// name of the function and an address in its module.
//
// Thread-safety: any attached thread. Errors: none; where there is no name, or no entry is left,
// the call is recorded under the entry through which it comes.
// Sources: the layout is that of Cython's CythonFunction.c, the same in 0.29 to 3.2: the object
// begins as one of CPython's own functions.
#pragma once

#include <string_view>

#include "shim/compat.hpp"
#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim::function_objects {

// Whether the instances of a type with that tp_name are functions of Cython's.
bool is_type_of_them(std::string_view type_name);

// The entry under which the call of `function` through `entry` is recorded.
const Entry& recorded_as(const Entry& entry, PyObject* function);

}  // namespace pythonnogil::shim::function_objects
