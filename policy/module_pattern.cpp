#include "policy/module_pattern.hpp"

#include <algorithm>
#include <cctype>
#include <vector>

#include "policy/wording.hpp"

namespace pythonnogil::policy {

namespace {

constexpr char wildcard = '*';

// Names of modules are identifiers, in any script.
bool belongs_in_a_name(unsigned char character) {
    return std::isalnum(character) != 0 || character == '_' || character >= 0x80;
}

}  // namespace

std::optional<std::string> ModulePattern::problem_of(std::string_view text) {
    if (text.empty()) {
        return "is empty; write the full name of a module, such as \"package.module\"";
    }
    for (const unsigned char character : text) {
        if (character == '?' || character == '[') {
            return "has a " + quoted({reinterpret_cast<const char*>(&character), 1}) +
                   "; the only wildcard is *";
        }
        if (character != wildcard && character != '.' && !belongs_in_a_name(character)) {
            return "has a " + quoted({reinterpret_cast<const char*>(&character), 1}) +
                   ", which no module name has; write the name as in an import statement, not "
                   "that of the distribution or file";
        }
    }
    if (text.starts_with('.') || text.ends_with('.') || text.find("..") != std::string_view::npos) {
        return "has nothing beside a dot; write the full name of a module, such as "
               "\"package.module\" or \"package.*\"";
    }
    return std::nullopt;
}

std::string_view ModulePattern::prefix() const {
    return std::string_view(text_).substr(0, text_.find(wildcard));
}

Specificity ModulePattern::specificity() const {
    const auto wildcards = static_cast<std::size_t>(std::ranges::count(text_, wildcard));
    return {wildcards == 0, prefix().size(), text_.size() - wildcards};
}

// Each * takes as little as it can; where the rest does not fit, the last one takes one more.
bool ModulePattern::matches(std::string_view module) const {
    const std::string_view pattern = text_;
    std::size_t in_pattern = 0;
    std::size_t in_module = 0;
    std::optional<std::size_t> after_wildcard;
    std::size_t taken_up_to = 0;
    while (in_module < module.size()) {
        if (in_pattern < pattern.size() && pattern[in_pattern] == wildcard) {
            after_wildcard = ++in_pattern;
            taken_up_to = in_module;
        } else if (in_pattern < pattern.size() && pattern[in_pattern] == module[in_module]) {
            ++in_pattern;
            ++in_module;
        } else if (after_wildcard) {
            in_pattern = *after_wildcard;
            in_module = ++taken_up_to;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of(wildcard, in_pattern) == std::string_view::npos;
}

// Walks both patterns from their ends: fits[j] tells, for the part of this one that is done,
// whether it and other's part from j on match some name in common.
bool ModulePattern::overlaps(const ModulePattern& other) const {
    const std::string_view left = text_;
    const std::string_view right = other.text_;
    std::vector<bool> fits(right.size() + 1);
    fits[right.size()] = true;
    for (std::size_t j = right.size(); j-- > 0 && right[j] == wildcard;) {
        fits[j] = true;
    }
    for (std::size_t i = left.size(); i-- > 0;) {
        bool diagonal = fits[right.size()];
        fits[right.size()] = diagonal && left[i] == wildcard;
        for (std::size_t j = right.size(); j-- > 0;) {
            const bool below = fits[j];
            // A * stands for nothing, or for what the other pattern has at this place.
            fits[j] = left[i] == wildcard || right[j] == wildcard ? below || fits[j + 1]
                                                                  : diagonal && left[i] == right[j];
            diagonal = below;
        }
    }
    return fits[0];
}

}  // namespace pythonnogil::policy
