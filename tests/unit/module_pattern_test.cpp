#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "policy/module_pattern.hpp"

namespace pythonnogil::policy {
namespace {

struct Match {
    const char* pattern;
    const char* module;
    bool expected;
};

const Match matches[] = {
    {"lxml.etree", "lxml.etree", true},
    {"lxml.etree", "lxml.etre", false},
    {"lxml.etree", "lxml.etree2", false},
    {"lxml.etree", "lxmlxetree", false},
    {"lxml.*", "lxml.etree", true},
    {"lxml.*", "lxml.html.diff", true},
    {"lxml.*", "lxml", false},
    {"lxml.*", "lxml.", true},
    {"lxml*", "lxml", true},
    {"lxml*", "lxml2", true},
    {"*", "anything", true},
    {"*", "", true},
    {"**", "a.b", true},
    {"*.etree", "lxml.etree", true},
    {"*.etree", "etree", false},
    {"*._c.*", "a._c.b", true},
    {"*._c.*", "a._c", false},
    {"a*b*c", "abc", true},
    {"a*b*c", "aXbXbXc", true},
    {"a*b*c", "aXcXb", false},
    {"*ab", "aab", true},
    {"*ab", "aba", false},
};

TEST(ModulePattern, MatchesWholeNames) {
    for (const Match& match : matches) {
        EXPECT_EQ(ModulePattern(match.pattern).matches(match.module), match.expected)
            << match.pattern << " on " << match.module;
    }
}

TEST(ModulePattern, OrderedFromMostToLeastSpecific) {
    const char* const order[] = {"lxml.etree", "a",       "lxml.e*", "lxml.*e", "lxml.*",
                                 "l*",         "*.etree", "*e",      "*"};
    for (std::size_t i = 0; i + 1 < std::size(order); ++i) {
        EXPECT_TRUE(ModulePattern(order[i]).specificity() >
                    ModulePattern(order[i + 1]).specificity())
            << order[i] << ' ' << order[i + 1];
    }
}

TEST(ModulePattern, MoreWildcardsDoNotMakeItMoreSpecific) {
    EXPECT_TRUE(ModulePattern("a*b").specificity() == ModulePattern("a**b").specificity());
}

struct Overlap {
    const char* left;
    const char* right;
    bool expected;
};

const Overlap overlaps[] = {
    {"a", "a", true},          {"a", "b", false},        {"a*b", "a*c", false},
    {"a*b", "a*b", true},      {"a*bc", "a*cb", false},  {"a*b*", "a*c*", true},
    {"*a", "a*", true},        {"*", "x", true},         {"*x", "*y", false},
    {"a*b*c", "a*c*c", true},  {"", "*", true},          {"", "a", false},
    {"a.*.b", "a.*.c", false}, {"*.b.*", "*.c.*", true},
};

TEST(ModulePattern, OverlapsWhereSomeNameFitsBoth) {
    for (const Overlap& overlap : overlaps) {
        const ModulePattern left(overlap.left);
        const ModulePattern right(overlap.right);
        EXPECT_EQ(left.overlaps(right), overlap.expected) << overlap.left << ' ' << overlap.right;
        EXPECT_EQ(right.overlaps(left), overlap.expected) << overlap.right << ' ' << overlap.left;
    }
}

// All words of up to `length` of the letters.
std::vector<std::string> words(const std::string& letters, std::size_t length) {
    std::vector<std::string> all{""};
    for (std::size_t first = 0, size = 0; size < length; ++size) {
        const std::size_t end = all.size();
        for (; first < end; ++first) {
            for (const char letter : letters) {
                all.push_back(all[first] + letter);
            }
        }
    }
    return all;
}

// The definition of overlapping, tried out. Two patterns of four characters that overlap have a
// common name of eight letters at the most.
TEST(ModulePattern, OverlapAgreesWithTryingAllNames) {
    const std::vector<std::string> names = words("ab", 8);
    const std::vector<std::string> patterns = words("ab*", 4);
    std::vector<std::vector<bool>> fits;
    for (const std::string& pattern : patterns) {
        std::vector<bool>& row = fits.emplace_back();
        for (const std::string& name : names) {
            row.push_back(ModulePattern(pattern).matches(name));
        }
    }
    for (std::size_t i = 0; i < patterns.size(); ++i) {
        for (std::size_t j = i; j < patterns.size(); ++j) {
            bool common = false;
            for (std::size_t k = 0; k < names.size() && !common; ++k) {
                common = fits[i][k] && fits[j][k];
            }
            ASSERT_EQ(ModulePattern(patterns[i]).overlaps(ModulePattern(patterns[j])), common)
                << patterns[i] << ' ' << patterns[j];
        }
    }
}

TEST(ModulePattern, AcceptsNamesInAnyScript) {
    for (const char* const pattern : {"a", "_a1.b2", "*", "a.*", "*.a", "a*.b", "größe.数"}) {
        EXPECT_EQ(ModulePattern::problem_of(pattern), std::nullopt) << pattern;
    }
}

}  // namespace
}  // namespace pythonnogil::policy
