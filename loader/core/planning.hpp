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

// What the plan's scope needs before code of the module runs. `create_dynamic` is CPython's own.
// False with an exception set when it is not to be had; throws shim::LoadError, which says why.
bool make_ready(const shim::GuardPlan& plan, PyObject* create_dynamic);

}  // namespace pythonnogil::loader
