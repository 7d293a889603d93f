#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

#include "policy/wording.hpp"

namespace pythonnogil::policy {
namespace {

constexpr std::array<std::string_view, 3> choices{"scope", "readers", "lock-arguments"};

TEST(Wording, NearestForgivesFewMistakes) {
    EXPECT_EQ(nearest("scop", choices), "scope");
    EXPECT_EQ(nearest("SCOPE", choices), "scope");
    EXPECT_EQ(nearest("socpe", choices), "scope");
    EXPECT_EQ(nearest("reader", choices), "readers");
    EXPECT_EQ(nearest("lock_argument", choices), "lock-arguments");
    EXPECT_EQ(nearest("", choices), "");
    EXPECT_EQ(nearest("mode", choices), "");
    EXPECT_EQ(nearest(std::string(100000, 's'), choices), "");
}

TEST(Wording, AdviceNamesOneChoiceOrAll) {
    EXPECT_EQ(advice("scop", choices), "did you mean \"scope\"?");
    EXPECT_EQ(advice("xyz", choices), "choose one of scope, readers, lock-arguments");
}

TEST(Wording, QuotedStaysOnOneLine) {
    EXPECT_EQ(quoted("a\nb\x1b[0m\x7f"), "\"a?b?[0m?\"");
    EXPECT_EQ(quoted("größe"), "\"größe\"");
}

}  // namespace
}  // namespace pythonnogil::policy
