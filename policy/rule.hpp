#pragma once

// One rule of a policy file: which modules, and what it says of them. What the file leaves out is
// absent here, so that it can be told from what it spells out.
// Thread-safety: a value.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "policy/module_pattern.hpp"
#include "policy/scope.hpp"
#include "policy/trust.hpp"
#include "pythonnogil/mode.hpp"

namespace pythonnogil::policy {

// What a rule asks for, without where it stands and why.
struct Settings {
    std::optional<Scope> scope;
    std::string group;                 // with Scope::group alone
    std::vector<std::string> readers;  // "function" or "Type.method", sorted
    std::optional<Trust> trust;
    std::optional<Mode> mode;
    std::optional<bool> lock_arguments;

    bool operator==(const Settings&) const = default;
};

struct Rule {
    ModulePattern match;
    Settings settings;
    std::string reason;
    std::string link;
    std::string file;
    std::size_t line;
};

// "file:line", for messages.
std::string place_of(const Rule& rule);

}  // namespace pythonnogil::policy
