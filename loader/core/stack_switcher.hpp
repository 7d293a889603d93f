// greenlet: the one extension known to switch C stacks under Python code. It declares itself safe
// without the GIL, but what it switches away from may be inside the guard.
//
// Thread-safety: to be called by the import of the module.
#pragma once

#include <string>

#include "shim/import_in_progress.hpp"

namespace pythonnogil::loader::stack_switcher {

bool is_one(const shim::ImportInProgress& import);

// Why a legacy one is refused: guarded, it would switch stacks inside the guard each time.
std::string refusal(const shim::ImportInProgress& import);

// Has the functions of a declared one called with nothing held. False with an exception set when
// they are not what they are known to be.
bool adapt(const shim::ImportInProgress& import, PyObject* module);

}  // namespace pythonnogil::loader::stack_switcher
