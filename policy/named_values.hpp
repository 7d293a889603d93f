#pragma once

// Tables of enumerators and the names that users write for them.
// Thread-safety: pure functions over constants.
// Errors: none; an unknown name gives an empty optional.

#include <optional>
#include <string_view>

namespace pythonnogil::policy {

template <typename Value>
struct Named {
    Value value;
    std::string_view name;
};

template <typename Table, typename Value>
constexpr std::string_view name_in(const Table& table, Value value) {
    for (const auto& entry : table) {
        if (entry.value == value) {
            return entry.name;
        }
    }
    return {};
}

template <typename Table>
constexpr auto value_in(const Table& table, std::string_view name)
    -> std::optional<decltype(table[0].value)> {
    for (const auto& entry : table) {
        if (entry.name == name) {
            return entry.value;
        }
    }
    return std::nullopt;
}

}  // namespace pythonnogil::policy
