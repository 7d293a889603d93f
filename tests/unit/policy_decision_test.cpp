#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "policy/policy.hpp"

namespace pythonnogil::policy {
namespace {

using Texts = std::vector<std::string>;

std::string with_version(const std::string& text) {
    return "version = 1\n" + text;
}

Policy policy_of(const std::string& own, const std::string& shipped = "") {
    return Policy(parse_policy(with_version(own), "own"),
                  parse_policy(with_version(shipped), "shipped"));
}

Texts places(const std::vector<const Rule*>& rules) {
    Texts texts;
    for (const Rule* rule : rules) {
        texts.push_back(place_of(*rule));
    }
    return texts;
}

const char* const shipped_text = R"(
[[module]]
match = "liar"
trust = "distrusted"
reason = "it lies"
link = "https://example.org/1"
)";

TEST(Policy, WithoutRulesTheDefaultsHold) {
    const Policy policy;
    const Decision decision = policy.decide("lxml.etree");
    EXPECT_EQ(policy.mode(), std::nullopt);
    EXPECT_EQ(decision.mode, std::nullopt);
    EXPECT_EQ(decision.scope, Scope::process);
    EXPECT_EQ(decision.trust, Trust::by_declaration);
    EXPECT_TRUE(decision.lock_arguments);
    EXPECT_TRUE(decision.readers.empty());
    EXPECT_EQ(decision.rule, nullptr);
    EXPECT_EQ(decision.trust_rule, nullptr);
}

TEST(Policy, ReadsAllThatAFileMaySay) {
    const Policy policy = Policy::from_text(R"(
version = 1
mode = "strict-nogil"
shipped = true

[[module]]
match = "lxml.*"
scope = "group"
group = "xml"
readers = ["lookup", "Template.render"]
trust = "distrusted"
mode = "gil"
lock-arguments = false
reason = "seen to race"
link = "https://example.org/2"
)",
                                            "my.toml");
    EXPECT_EQ(policy.mode(), Mode::strict_nogil);
    const Decision decision = policy.decide("lxml.etree");
    EXPECT_EQ(decision.mode, Mode::gil);
    EXPECT_EQ(decision.scope, Scope::group);
    EXPECT_EQ(decision.group, "xml");
    EXPECT_EQ(decision.readers, (Texts{"Template.render", "lookup"}));
    EXPECT_EQ(decision.trust, Trust::distrusted);
    EXPECT_FALSE(decision.lock_arguments);
    ASSERT_NE(decision.rule, nullptr);
    EXPECT_EQ(place_of(*decision.rule), "my.toml:6");
    EXPECT_EQ(decision.rule->reason, "seen to race");
    EXPECT_EQ(decision.rule->link, "https://example.org/2");
    EXPECT_EQ(decision.trust_rule, decision.rule);
    EXPECT_EQ(policy.decide("lxml").rule, nullptr);
}

TEST(Policy, TheMostSpecificRuleAloneDecides) {
    const Policy policy = policy_of(R"(
[[module]]
match = "*"
scope = "module"
[[module]]
match = "a.b"
lock-arguments = false
[[module]]
match = "a.*"
scope = "object"
[[module]]
match = "*.b"
scope = "interpreter"
)");
    const Decision decision = policy.decide("a.b");
    EXPECT_EQ(decision.scope, Scope::process);
    EXPECT_FALSE(decision.lock_arguments);
    EXPECT_EQ(places(policy.matching("a.b")), (Texts{"own:6", "own:9", "own:12", "own:3"}));
    EXPECT_EQ(policy.decide("a.c").scope, Scope::object);
    EXPECT_EQ(policy.decide("c.b").scope, Scope::interpreter);
    EXPECT_EQ(policy.decide("c").scope, Scope::module);
}

TEST(Policy, OfEqualRulesThatAgreeTheFirstCounts) {
    const Policy policy = policy_of("[[module]]\nmatch = \"a*b*\"\n[[module]]\nmatch = \"a*c*\"");
    EXPECT_EQ(place_of(*policy.decide("abc").rule), "own:2");
}

TEST(Policy, TheShippedFileCountsWhereTheOwnOneIsSilent) {
    const Policy policy = policy_of("[[module]]\nmatch = \"other\"", shipped_text);
    const Decision decision = policy.decide("liar");
    EXPECT_EQ(decision.trust, Trust::distrusted);
    EXPECT_EQ(place_of(*decision.rule), "shipped:3");
    EXPECT_EQ(decision.trust_rule, decision.rule);
    EXPECT_EQ(places(policy.rules()), (Texts{"own:2", "shipped:3"}));
}

TEST(Policy, ARuleThatIsSilentOnTrustLeavesAModuleDistrusted) {
    const Policy policy = policy_of("[[module]]\nmatch = \"*\"\nscope = \"module\"", shipped_text);
    const Decision decision = policy.decide("liar");
    EXPECT_EQ(decision.scope, Scope::module);
    EXPECT_EQ(decision.trust, Trust::distrusted);
    EXPECT_EQ(place_of(*decision.rule), "own:2");
    EXPECT_EQ(place_of(*decision.trust_rule), "shipped:3");
    EXPECT_EQ(policy.decide("other").trust, Trust::by_declaration);
}

TEST(Policy, AnOwnWordOnTrustBeatsTheShippedOne) {
    const Policy policy =
        policy_of("[[module]]\nmatch = \"l*\"\ntrust = \"by-declaration\"", shipped_text);
    EXPECT_EQ(policy.decide("liar").trust, Trust::by_declaration);
    EXPECT_EQ(places(policy.matching("liar")), (Texts{"own:2", "shipped:3"}));
}

TEST(Policy, TheShippedFileCanBeSwitchedOff) {
    const Policy policy = policy_of("shipped = false", shipped_text);
    EXPECT_EQ(policy.decide("liar").rule, nullptr);
    EXPECT_TRUE(policy.matching("liar").empty());
    EXPECT_TRUE(policy.rules().empty());
}

// Whoever is distrusted by us has a right to know why.
TEST(ShippedPolicy, GivesEvidenceForEachRule) {
    const Policy policy = Policy::from_file(SHIPPED_POLICY);
    EXPECT_EQ(policy.mode(), std::nullopt);
    EXPECT_FALSE(policy.rules().empty());
    for (const Rule* rule : policy.rules()) {
        EXPECT_EQ(rule->settings.trust, Trust::distrusted) << place_of(*rule);
        EXPECT_NE(rule->reason, "") << place_of(*rule);
        EXPECT_TRUE(rule->link.starts_with("https://github.com/")) << place_of(*rule);
    }
}

}  // namespace
}  // namespace pythonnogil::policy
