#include "policy/wording.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <numeric>
#include <vector>

namespace pythonnogil::policy {

namespace {

// How many characters have to be put in, left out, replaced or swapped with their neighbour to get
// from one to the other.
std::size_t edits_between(std::string_view from, std::string_view to) {
    std::vector<std::vector<std::size_t>> edits(from.size() + 1,
                                                std::vector<std::size_t>(to.size() + 1));
    std::iota(edits[0].begin(), edits[0].end(), std::size_t{0});
    for (std::size_t i = 1; i <= from.size(); ++i) {
        edits[i][0] = i;
        for (std::size_t j = 1; j <= to.size(); ++j) {
            const std::size_t replaced = edits[i - 1][j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
            edits[i][j] = std::min({replaced, edits[i - 1][j] + 1, edits[i][j - 1] + 1});
            if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1]) {
                edits[i][j] = std::min(edits[i][j], edits[i - 2][j - 2] + 1);
            }
        }
    }
    return edits[from.size()][to.size()];
}

std::string lower_case(std::string_view text) {
    std::string lowered(text);
    std::ranges::transform(lowered, lowered.begin(), [](unsigned char character) {
        return static_cast<char>(std::tolower(character));
    });
    return lowered;
}

}  // namespace

std::string printable(std::string_view text) {
    std::string line(text);
    std::ranges::replace_if(
        line, [](unsigned char character) { return std::iscntrl(character) != 0; }, '?');
    return line;
}

std::string quoted(std::string_view text) {
    return '"' + printable(text) + '"';
}

std::string_view nearest(std::string_view found, std::span<const std::string_view> choices) {
    constexpr std::size_t longest_worth_a_guess = 40;
    if (found.empty() || found.size() > longest_worth_a_guess) {
        return {};
    }
    const std::string typed = lower_case(found);
    std::string_view best;
    std::size_t fewest = std::max<std::size_t>(1, typed.size() / 3) + 1;
    for (const std::string_view choice : choices) {
        const std::size_t edits = edits_between(typed, choice);
        if (edits < fewest) {
            fewest = edits;
            best = choice;
        }
    }
    return best;
}

std::string advice(std::string_view found, std::span<const std::string_view> choices) {
    if (const std::string_view meant = nearest(found, choices); !meant.empty()) {
        return "did you mean " + quoted(meant) + "?";
    }
    std::string list;
    for (const std::string_view choice : choices) {
        list.append(list.empty() ? "choose one of " : ", ").append(choice);
    }
    return list;
}

}  // namespace pythonnogil::policy
