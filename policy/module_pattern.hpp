#pragma once

// Patterns of module names, as policy files have them: the full dotted name, in which * stands for
// any characters, dots and none at all included.
//
// Of two patterns that match a module, the more specific one is that which
//   1. has no *; else
//   2. has more characters before its first *; else
//   3. has more characters besides its *.
// Thread-safety: immutable once made.
// Errors: none; a bad pattern is told by problem_of before one is made.

#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pythonnogil::policy {

// Bigger is more specific; equal where the rules above tell no difference.
struct Specificity {
    bool exact;
    std::size_t prefix;
    std::size_t literals;

    auto operator<=>(const Specificity&) const = default;
};

class ModulePattern {
  public:
    explicit ModulePattern(std::string text) : text_(std::move(text)) {}

    // What keeps the text from being a pattern, as the rest of a sentence; nothing when it is one.
    static std::optional<std::string> problem_of(std::string_view text);

    const std::string& text() const { return text_; }
    Specificity specificity() const;

    // The characters before the first *.
    std::string_view prefix() const;

    bool matches(std::string_view module) const;

    // Whether some name is matched by both.
    bool overlaps(const ModulePattern& other) const;

  private:
    std::string text_;
};

}  // namespace pythonnogil::policy
