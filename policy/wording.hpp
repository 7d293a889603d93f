#pragma once

// What the messages to the user have in common.
// Thread-safety: pure functions over their arguments.
// Errors: none beyond std::bad_alloc.

#include <span>
#include <string>
#include <string_view>

namespace pythonnogil::policy {

// A message stays one line whatever the user typed: control characters become question marks.
std::string printable(std::string_view text);

// The same in double quotes.
std::string quoted(std::string_view text);

// "did you mean "scope"?" where one of the choices is close to what was found, else
// "choose one of process, group, ...".
std::string advice(std::string_view found, std::span<const std::string_view> choices);

// The choice that is close enough to `found` to be what was meant; empty when none is.
std::string_view nearest(std::string_view found, std::span<const std::string_view> choices);

}  // namespace pythonnogil::policy
