#pragma once

// The modes a process can load legacy extensions in, and their names on the command line and in
// the environment.
// Thread-safety: constants and pure functions, free to use from any thread.
// Errors: none; an unknown name gives an empty optional.

#include <array>
#include <optional>
#include <string_view>

namespace pythonnogil {

enum class Mode : unsigned char {
    // A legacy extension loads and its code runs under the lock, as if it held a GIL.
    gil,
    // A legacy extension is refused before any of its code runs.
    strict_nogil,
    // A legacy extension loads and runs with no guard.
    unsafe_nogil,
    // Extensions are CPython's affair.
    off,
};

struct NamedMode {
    Mode mode;
    std::string_view name;
};

inline constexpr std::array<NamedMode, 4> named_modes{{
    {Mode::gil, "gil"},
    {Mode::strict_nogil, "strict-nogil"},
    {Mode::unsafe_nogil, "unsafe-nogil"},
    {Mode::off, "off"},
}};

constexpr std::string_view mode_name(Mode mode) {
    for (const NamedMode& entry : named_modes) {
        if (entry.mode == mode) {
            return entry.name;
        }
    }
    return {};
}

constexpr std::optional<Mode> mode_from_name(std::string_view name) {
    for (const NamedMode& entry : named_modes) {
        if (entry.name == name) {
            return entry.mode;
        }
    }
    return std::nullopt;
}

}  // namespace pythonnogil
