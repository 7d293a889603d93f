#pragma once

// What makes no sense in a rule, or in the rules of one file together.
// A setting that could have no effect is a mistake of whoever wrote it, perhaps a dangerous one.
// Thread-safety: pure functions over their arguments.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "policy/policy_error.hpp"
#include "policy/rule.hpp"

namespace pythonnogil::policy {

struct Problem {
    std::string_view key;  // the one to change, for the place of the message
    std::string what;
};

// The first contradiction inside the rule, if there is one.
std::optional<Problem> problem_of(const Rule& rule);

// Whether the text can name a function, or a method of a type, inside a module.
bool is_function_name(std::string_view text);

// Throws PolicyError when two rules are for the same name, or when two are equally specific for
// some module and disagree.
void check_rules_together(std::span<const Rule> rules);

}  // namespace pythonnogil::policy
