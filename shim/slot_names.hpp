// The names of type slots, for reports and for the functions that a policy names.
//
// Thread-safety: constant data. Errors: none. Sources: Include/typeslots.h and
// Include/cpython/object.h.
#pragma once

#include "shim/compat.hpp"

namespace pythonnogil::shim {

// Of a slot of a PyType_Spec, by its number; "type slot" for one that is not known here.
const char* type_slot_name(int slot);

// Of the pointer with this number in a suite.
const char* suite_slot_name(const PyNumberMethods* suite, std::size_t index);
const char* suite_slot_name(const PySequenceMethods* suite, std::size_t index);
const char* suite_slot_name(const PyMappingMethods* suite, std::size_t index);
const char* suite_slot_name(const PyAsyncMethods* suite, std::size_t index);
const char* suite_slot_name(const PyBufferProcs* suite, std::size_t index);

}  // namespace pythonnogil::shim
