#pragma once

// The scopes that a legacy module can be guarded in, and their names in policy files.
// Thread-safety: constants and pure functions, free to use from any thread.
// Errors: none; an unknown name gives an empty optional.

#include <array>
#include <optional>
#include <string_view>

#include "policy/named_values.hpp"

namespace pythonnogil::policy {

// Who is excluded while code of the module runs.
enum class Scope : unsigned char {
    process,      // all other legacy code of the process
    group,        // other calls into modules of the same named group
    module,       // other calls into the same module
    object,       // other calls on the same receiver
    interpreter,  // everybody: the real GIL is on for that long
    main_thread,  // nobody needs to be: the code runs on the main thread alone
    none,         // nobody
};

inline constexpr std::array<Named<Scope>, 7> named_scopes{{
    {Scope::process, "process"},
    {Scope::group, "group"},
    {Scope::module, "module"},
    {Scope::object, "object"},
    {Scope::interpreter, "interpreter"},
    {Scope::main_thread, "main-thread"},
    {Scope::none, "none"},
}};

constexpr std::string_view scope_name(Scope scope) {
    return name_in(named_scopes, scope);
}

constexpr std::optional<Scope> scope_from_name(std::string_view name) {
    return value_in(named_scopes, name);
}

}  // namespace pythonnogil::policy
