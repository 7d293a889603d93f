// From what the policy decides for a module to the plan that its entries are guarded by.
//
// Thread-safety: any thread; one mutex in planning.cpp, never held while Python code runs.
// Errors: std::bad_alloc.
#pragma once

#include <string>

#include "policy/policy.hpp"
#include "pythonnogil/mode.hpp"
#include "shim/guard_plan.hpp"

namespace pythonnogil::loader {

// Null where the module is not guarded, whatever it turns out to be.
const shim::GuardPlan* guard_plan_for(const std::string& module, Mode mode,
                                      const policy::Decision& decision);

}  // namespace pythonnogil::loader
