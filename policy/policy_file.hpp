#pragma once

// Reads policy files: TOML, whose meaning the README describes.
//
// Whatever is not understood is an error, and a file with an error is not used at all: half a
// policy could run a module with less protection than was asked for.
// Thread-safety: pure functions, but for reading the file.
// Errors: PolicyError.
// Facts from elsewhere: toml++ 3.3 (https://marzer.github.io/tomlplusplus) does the parsing.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy_error.hpp"
#include "policy/rule.hpp"

namespace pythonnogil::policy {

struct PolicyFile {
    // The mode for the process; it yields to the command line and the environment.
    std::optional<Mode> mode;
    // Whether the policy that comes with the package applies to modules without a rule here.
    bool shipped = true;
    // In the order of the file.
    std::vector<Rule> rules;
};

PolicyFile read_policy_file(const std::string& path);

// `name` stands for the file in messages and in the rules.
PolicyFile parse_policy(std::string_view text, const std::string& name);

}  // namespace pythonnogil::policy
