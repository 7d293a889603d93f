#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "policy/mode_selection.hpp"
#include "policy/policy_selection.hpp"

namespace pythonnogil::policy {
namespace {

using File = std::optional<std::string>;

XOption policy_option(File value) {
    return {"nogil-policy", std::move(value)};
}

TEST(SelectPolicyFile, CommandLineThenEnvironmentThenNone) {
    EXPECT_EQ(select_policy_file({}, std::nullopt), File());
    EXPECT_EQ(select_policy_file({}, ""), File());
    EXPECT_EQ(select_policy_file({}, "b.toml"), File("b.toml"));
    EXPECT_EQ(select_policy_file({policy_option("a.toml")}, std::nullopt), File("a.toml"));
    EXPECT_EQ(select_policy_file({policy_option("a.toml")}, "b.toml"), File("a.toml"));
    EXPECT_EQ(select_policy_file({{"dev", std::nullopt}, {"nogil-mode", "gil"}}, "b.toml"),
              File("b.toml"));
}

TEST(SelectPolicyFile, TheSameFileTwiceIsOne) {
    const std::vector<XOption> twice{policy_option("a"), policy_option("a")};
    EXPECT_EQ(select_policy_file(twice, std::nullopt), File("a"));
}

std::string refusal_of(const std::vector<XOption>& options) {
    try {
        select_policy_file(options, "b.toml");
    } catch (const PolicyError& error) {
        return error.what();
    }
    return "none";
}

TEST(SelectPolicyFile, RefusesWhatIsNoSelection) {
    const std::string needs_a_file = "-X nogil-policy needs a file; write -X nogil-policy=FILE";
    EXPECT_EQ(refusal_of({policy_option(std::nullopt)}), needs_a_file);
    EXPECT_EQ(refusal_of({policy_option("")}), needs_a_file);
    EXPECT_EQ(refusal_of({policy_option("a"), policy_option("b\n")}),
              "two policies at once: -X nogil-policy=a and -X nogil-policy=b?; keep one of them");
}

TEST(SelectMode, ThePolicyFileComesAfterCommandLineAndEnvironment) {
    const XOption strict{"strict-nogil", std::nullopt};
    EXPECT_EQ(select_mode({{}, std::nullopt, Mode::off}), Mode::off);
    EXPECT_EQ(select_mode({{}, "", Mode::strict_nogil}), Mode::strict_nogil);
    EXPECT_EQ(select_mode({{}, "unsafe-nogil", Mode::strict_nogil}), Mode::unsafe_nogil);
    EXPECT_EQ(select_mode({{strict}, std::nullopt, Mode::gil}), Mode::strict_nogil);
}

}  // namespace
}  // namespace pythonnogil::policy
