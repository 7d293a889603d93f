#pragma once

// How far the declaration of a module is believed, and the names for it in policy files.
// Thread-safety: constants and pure functions, free to use from any thread.
// Errors: none; an unknown name gives an empty optional.

#include <array>
#include <optional>
#include <string_view>

#include "policy/named_values.hpp"

namespace pythonnogil::policy {

enum class Trust : unsigned char {
    by_declaration,  // the module is what it declares itself to be
    trusted,         // taken for safe whatever it declares: loads unguarded
    distrusted,      // taken for legacy although it declares that it is safe
    shared,          // a declared module, whose code is yet kept apart from legacy code
};

inline constexpr std::array<Named<Trust>, 4> named_trusts{{
    {Trust::by_declaration, "by-declaration"},
    {Trust::trusted, "trusted"},
    {Trust::distrusted, "distrusted"},
    {Trust::shared, "shared"},
}};

constexpr std::string_view trust_name(Trust trust) {
    return name_in(named_trusts, trust);
}

constexpr std::optional<Trust> trust_from_name(std::string_view name) {
    return value_in(named_trusts, name);
}

}  // namespace pythonnogil::policy
