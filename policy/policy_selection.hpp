#pragma once

// Which policy file a process uses, from what its command line and its environment say. The command
// line beats the environment; no file is ever picked up that nobody named.
// Thread-safety: pure function over its arguments.
// Errors: PolicyError.

#include <optional>
#include <string>
#include <vector>

#include "policy/policy_error.hpp"
#include "policy/x_options.hpp"

namespace pythonnogil::policy {

// `environment` is PYTHONNOGIL_POLICY; absent when unset or silenced by -E or -I. Empty means
// unset. The result is the name as it was given.
std::optional<std::string> select_policy_file(const std::vector<XOption>& x_options,
                                              const std::optional<std::string>& environment);

}  // namespace pythonnogil::policy
