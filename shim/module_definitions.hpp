// Module definitions that legacy code hands to CPython: their tables guarded, their slots answered.
//
// Thread-safety: any thread; a definition is changed before CPython reads it.
// Errors: ThunkPoolExhausted; std::invalid_argument for slots that CPython would refuse.
#pragma once

#include <vector>

#include "shim/import_in_progress.hpp"

namespace pythonnogil::shim::module_definitions {

// Guards the functions of the module: methods, m_clear and m_free. m_traverse is called with the
// world stopped.
void guard(PyModuleDef* definition);

// Gives a multi-phase definition slots that say Py_MOD_GIL_NOT_USED, and guards its functions and
// slots if asked to.
void answer(PyModuleDef* definition, LegacyReason reason, bool guards);

// Whether answer() was called for this definition; then `reason` is the one it was called with.
bool answered(const PyModuleDef* definition, LegacyReason& reason);

#ifdef PYTHONNOGIL_HAS_SLOT_ARRAYS
// The same for a module without a definition: a copy of its slots. An array of its own is as good
// as a name for a module that gives none, so the copy names the original.
std::vector<PySlot> answered_slots(const PySlot* slots, bool guards);
#endif

}  // namespace pythonnogil::shim::module_definitions
