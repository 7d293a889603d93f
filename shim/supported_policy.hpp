// What of all that a policy file can ask for the guard can do. A policy that asks for more is
// refused as a whole: code that runs in another scope than it was meant to is not guarded.
//
// Thread-safety: pure functions. Errors: PolicyError.
#pragma once

#include "policy/policy.hpp"

namespace pythonnogil::shim {

bool supported(policy::Scope scope);
bool supported(policy::Trust trust);

// Throws PolicyError for the first rule that asks for something that is not supported.
void check_supported(const policy::Policy& policy);

}  // namespace pythonnogil::shim
