#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "policy/policy_file.hpp"

namespace pythonnogil::policy {
namespace {

std::string message_of(const std::string& text) {
    try {
        parse_policy(text, "p.toml");
    } catch (const PolicyError& error) {
        return error.what();
    }
    return "no error";
}

struct Refusal {
    const char* title;
    std::string text;
    const char* message;
};

class RefusePolicy : public testing::TestWithParam<Refusal> {};

TEST_P(RefusePolicy, SaysWhereAndWhyInOneLine) {
    EXPECT_EQ(message_of(GetParam().text), GetParam().message);
}

// The rule stands in line 2, what follows `match` in line 4.
std::string rule(const std::string& rest) {
    return "version = 1\n[[module]]\nmatch = \"m\"\n" + rest;
}

std::string match(const std::string& pattern) {
    return "version = 1\n[[module]]\nmatch = \"" + pattern + "\"";
}

#define SCOPES "process, group, module, object, interpreter, main-thread, none"
#define MODES "gil, strict-nogil, unsafe-nogil, off"
#define TRUSTS "by-declaration, trusted, distrusted, shared"
#define KEYS "match, scope, group, readers, trust, mode, lock-arguments, reason, link"
#define REASON "\nreason = \"r\"\n"

const Refusal refusals[] = {
    {"Empty", "", "p.toml: version: missing; write version = 1"},
    {"VersionOfAnotherType", "version = \"1\"",
     "p.toml:1:11: version: found a string; write version = 1"},
    {"VersionTooNew", "version = 2\nnew = 1",
     "p.toml:1:11: version: 2 is newer than this pythonnogil knows; use a newer pythonnogil, or "
     "write version = 1"},
    {"VersionZero", "version = 0",
     "p.toml:1:11: version: there is no version 0; write version = 1"},
    {"UnknownKeyAtTheTop", "version = 1\nfast = \"gil\"",
     "p.toml:2:1: unknown key \"fast\" at the top of the file; choose one of version, mode, "
     "shipped, module"},
    {"MisspelledKeyAtTheTop", "version = 1\nmoed = \"gil\"",
     "p.toml:2:1: unknown key \"moed\" at the top of the file; did you mean \"mode\"?"},
    {"KeyOfARuleAtTheTop", "version = 1\nscope = \"none\"",
     "p.toml:2:1: unknown key \"scope\" at the top of the file; it belongs below [[module]]"},
    {"MisspelledRule", "version = 1\n[[modul]]\nmatch = \"a\"",
     "p.toml:2:3: unknown key \"modul\" at the top of the file; did you mean \"module\"?"},
    {"UnknownMode", "version = 1\nmode = \"fast\"",
     "p.toml:2:8: mode: unknown value \"fast\"; choose one of " MODES},
    {"MisspelledMode", "version = 1\nmode = \"strict_nogil\"",
     "p.toml:2:8: mode: unknown value \"strict_nogil\"; did you mean \"strict-nogil\"?"},
    {"ModeOfAnotherType", "version = 1\nmode = 3",
     "p.toml:2:8: mode: found an integer; write a string in quotes"},
    {"ShippedOfAnotherType", "version = 1\nshipped = \"no\"",
     "p.toml:2:11: shipped: found a string; write true or false"},
    {"RuleWithSingleBrackets", "version = 1\n[module]\nmatch = \"a\"",
     "p.toml:2:1: module: found a table; write [[module]]"},
    {"RuleIsNoTable", "version = 1\nmodule = [1.5]",
     "p.toml:2:11: module: found a number; write [[module]]"},
    {"UnknownKeyInARule", rule("size = 3"),
     "p.toml:4:1: unknown key \"size\" in [[module]]; choose one of " KEYS},
    {"MisspelledKeyInARule", rule("lock_arguments = false"),
     "p.toml:4:1: unknown key \"lock_arguments\" in [[module]]; did you mean \"lock-arguments\"?"},
    {"NoMatch", "version = 1\n[[module]]\nscope = \"process\"",
     "p.toml:2:1: match: missing; write match = \"MODULE\" below [[module]]"},
    {"MatchOfAnotherType", "version = 1\n[[module]]\nmatch = [\"a\"]",
     "p.toml:3:9: match: found an array; write a string in quotes"},
    {"EmptyMatch", match(""), "p.toml:3:9: match: is empty; leave it out or fill it in"},
    {"OtherWildcard", match("a.?"),
     "p.toml:3:9: match: \"a.?\" has a \"?\"; the only wildcard is *"},
    {"CharacterClass", match("a[b]"),
     "p.toml:3:9: match: \"a[b]\" has a \"[\"; the only wildcard is *"},
    {"NameOfADistribution", match("psycopg2-binary"),
     "p.toml:3:9: match: \"psycopg2-binary\" has a \"-\", which no module name has; write the "
     "name as in an import statement, not that of the distribution or file"},
    {"ControlCharacterInAPattern", match("a\\nb"),
     "p.toml:3:9: match: \"a?b\" has a \"?\", which no module name has; write the name as in an "
     "import statement, not that of the distribution or file"},
    {"DotAtTheEnd", match("a."),
     "p.toml:3:9: match: \"a.\" has nothing beside a dot; write the full name of a module, such "
     "as \"package.module\" or \"package.*\""},
    {"TwoDots", match("a..b"),
     "p.toml:3:9: match: \"a..b\" has nothing beside a dot; write the full name of a module, such "
     "as \"package.module\" or \"package.*\""},
    {"UnknownScope", rule("scope = \"everything\""),
     "p.toml:4:9: scope: unknown value \"everything\"; choose one of " SCOPES},
    {"MisspelledScope", rule("scope = \"Module\""),
     "p.toml:4:9: scope: unknown value \"Module\"; did you mean \"module\"?"},
    {"UnknownTrust", rule("trust = \"full\"" REASON),
     "p.toml:4:9: trust: unknown value \"full\"; choose one of " TRUSTS},
    {"UnknownModeOfAModule", rule("mode = \"strict\""),
     "p.toml:4:8: mode: unknown value \"strict\"; choose one of " MODES},
    {"LockArgumentsOfAnotherType", rule("lock-arguments = 2020-01-01"),
     "p.toml:4:18: lock-arguments: found a date or time; write true or false"},
    {"GroupWithoutScope", rule("group = \"g\""),
     "p.toml:4:9: group: has a meaning only beside scope = \"group\""},
    {"GroupWithAnotherScope", rule("scope = \"module\"\ngroup = \"g\""),
     "p.toml:5:9: group: has a meaning only beside scope = \"group\""},
    {"ScopeGroupWithoutGroup", rule("scope = \"group\""),
     "p.toml:4:9: scope: \"group\" needs a name; write group = \"NAME\" beside it"},
    {"EmptyGroup", rule("scope = \"group\"\ngroup = \"\""),
     "p.toml:5:9: group: is empty; leave it out or fill it in"},
    {"ReadersOfAnotherType", rule("readers = \"lookup\""),
     "p.toml:4:11: readers: found a string; write an array such as [\"lookup\", \"Type.method\"]"},
    {"ReaderOfAnotherType", rule("readers = [\"a\", true]"),
     "p.toml:4:17: readers: found a boolean; write names of functions such as \"lookup\""},
    {"ReaderIsNoName", rule("readers = [\"lookup()\"]"),
     "p.toml:4:12: readers: \"lookup()\" is no name of a function; write \"function\" or "
     "\"Type.method\", without the module"},
    {"ReaderEndsInADot", rule("readers = [\"a.\"]"),
     "p.toml:4:12: readers: \"a.\" is no name of a function; write \"function\" or "
     "\"Type.method\", without the module"},
    {"ReaderTwice", rule("readers = [\"b\", \"a\",\n\"b\"]"),
     "p.toml:5:1: readers: \"b\" is there twice"},
    {"ReadersInScopeNone", rule("scope = \"none\"\nreaders = [\"a\"]"),
     "p.toml:5:11: readers: has no meaning beside scope = \"none\"; readers share the lock of "
     "scope process, group or module"},
    {"ReadersInScopeObject", rule("readers = [\"a\"]\nscope = \"object\""),
     "p.toml:4:11: readers: has no meaning beside scope = \"object\"; readers share the lock of "
     "scope process, group or module"},
    {"LockArgumentsInScopeNone", rule("scope = \"none\"\nlock-arguments = true"),
     "p.toml:5:18: lock-arguments: has no meaning beside scope = \"none\""},
    {"TrustedWithoutReason", rule("trust = \"trusted\""),
     "p.toml:4:9: trust: \"trusted\" needs its evidence; write reason = \"...\" beside it, and a "
     "link if there is one"},
    {"DistrustedWithoutReason", rule("trust = \"distrusted\"\nlink = \"https://a.b\""),
     "p.toml:4:9: trust: \"distrusted\" needs its evidence; write reason = \"...\" beside it, and "
     "a link if there is one"},
    {"SharedWithoutReason", rule("trust = \"shared\""),
     "p.toml:4:9: trust: \"shared\" needs its evidence; write reason = \"...\" beside it, and a "
     "link if there is one"},
    {"TrustedWithScope", rule("trust = \"trusted\"" REASON "scope = \"module\""),
     "p.toml:6:9: scope: has no meaning beside trust = \"trusted\", which runs the module as one "
     "that declares itself safe"},
    {"TrustedWithMode", rule("trust = \"trusted\"" REASON "mode = \"gil\""),
     "p.toml:6:8: mode: has no meaning beside trust = \"trusted\", which runs the module as one "
     "that declares itself safe"},
    {"SharedWithReaders", rule("trust = \"shared\"" REASON "readers = [\"a\"]"),
     "p.toml:6:11: readers: has no meaning beside trust = \"shared\", which makes all functions "
     "of the module readers"},
    {"SharedInScopeObject", rule("trust = \"shared\"" REASON "scope = \"object\""),
     "p.toml:6:9: scope: \"object\" has no meaning beside trust = \"shared\"; choose process, "
     "group or module"},
    {"ScopeInAModeThatDoesNotGuard", rule("mode = \"strict-nogil\"\nscope = \"module\""),
     "p.toml:5:9: scope: has no meaning beside mode = \"strict-nogil\", which guards nothing"},
    {"ReadersInAModeThatDoesNotGuard", rule("mode = \"unsafe-nogil\"\nreaders = [\"a\"]"),
     "p.toml:5:11: readers: has no meaning beside mode = \"unsafe-nogil\", which guards nothing"},
    {"LockArgumentsInModeOff", rule("mode = \"off\"\nlock-arguments = false"),
     "p.toml:5:18: lock-arguments: has no meaning beside mode = \"off\", which guards nothing"},
    {"DistrustedInModeOff", rule("mode = \"off\"\ntrust = \"distrusted\"" REASON),
     "p.toml:5:9: trust: \"distrusted\" has no meaning beside mode = \"off\", which leaves the "
     "module to CPython"},
    {"LinkIsNoAddress", rule("link = \"see the tracker\""),
     "p.toml:4:8: link: \"see the tracker\" is no address; write https://..."},
    {"TwoRulesForOneName", rule("[[module]]\nmatch = \"m\""),
     "p.toml:4: match: \"m\" has a rule already in line 2; keep one of them"},
    {"TwoRulesForOnePattern", match("a.*") + "\n[[module]]\nmatch = \"a.*\"\nmode = \"gil\"",
     "p.toml:4: match: \"a.*\" has a rule already in line 2; keep one of them"},
    {"Conflict",
     match("a*b*") + "\nmode = \"gil\"\n[[module]]\nmatch = \"a*c*\"\nmode = \"strict-nogil\"",
     "p.toml:5: match: \"a*c*\" conflicts with \"a*b*\" in line 2: some module is matched by both, "
     "neither is more specific, and they ask for different things; make one of them more "
     "specific"},
};

std::string title_of(const testing::TestParamInfo<Refusal>& info) {
    return info.param.title;
}

INSTANTIATE_TEST_SUITE_P(Table, RefusePolicy, testing::ValuesIn(refusals), title_of);

const char* const whole_file = R"(# A file with all there is.
version = 1
mode = "gil"
shipped = false
[[module]]
match = "lxml.*"
scope = "group"
group = "xml"
readers = ["lookup", "Template.render"]
lock-arguments = false
[[module]]
match = "liar"
trust = "distrusted"
reason = "it lies"
link = "https://example.org/1"
mode = "strict-nogil"
)";

// The rest of the line is what toml++ says.
TEST(PolicyFile, ThatIsNoTomlIsAnErrorWithItsPlace) {
    for (const char* const text : {"version = 1\nmode = gil", "version = 1\nversion = 1",
                                   "version = 1\n# gr\xf6\xdf", "\n\"", "\nversion = [1,,]"}) {
        const std::string message = message_of(text);
        EXPECT_TRUE(message.starts_with("p.toml:2:")) << message;
        EXPECT_NE(message.find(": not TOML: "), std::string::npos) << message;
    }
}

TEST(PolicyFile, EqualPatternsThatAgreeOrNeverMeetAreNoConflict) {
    EXPECT_EQ(message_of(match("a*b*") + "\n[[module]]\nmatch = \"a*c*\""), "no error");
    EXPECT_EQ(message_of(match("a*b") + "\n[[module]]\nmatch = \"a*c\"\nmode = \"gil\""),
              "no error");
}

TEST(PolicyFile, MayBeginWithAByteOrderMark) {
    EXPECT_EQ(message_of("\xef\xbb\xbf" + std::string(whole_file)), "no error");
}

class TemporaryFile {
  public:
    explicit TemporaryFile(std::string_view content)
        : path_(std::filesystem::temp_directory_path() /
                ("policy_file_test." + std::to_string(std::random_device()()) + ".toml")) {
        std::ofstream(path_, std::ios::binary) << content;
    }
    ~TemporaryFile() { std::filesystem::remove(path_); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    std::string path() const { return path_; }

  private:
    std::filesystem::path path_;
};

std::string refusal_of(const std::string& path) {
    try {
        read_policy_file(path);
    } catch (const PolicyError& error) {
        return error.what();
    }
    return "no error";
}

TEST(PolicyFile, IsReadFromDisk) {
    const TemporaryFile file(whole_file);
    const PolicyFile policy = read_policy_file(file.path());
    ASSERT_EQ(policy.rules.size(), 2U);
    EXPECT_EQ(place_of(policy.rules[1]), file.path() + ":11");
    EXPECT_FALSE(policy.shipped);
}

TEST(PolicyFile, ThatCannotBeReadIsAnError) {
    EXPECT_EQ(refusal_of("/nowhere/p\n.toml"),
              "/nowhere/p?.toml: cannot be read: No such file or directory");
    EXPECT_EQ(refusal_of("/"), "/: cannot be read: Is a directory");
    EXPECT_EQ(refusal_of(""), ": cannot be read: No such file or directory");
    const TemporaryFile big(std::string((std::size_t{1} << 20) + 1, '#'));
    EXPECT_EQ(refusal_of(big.path()), big.path() + ": cannot be read: it is bigger than 1 MiB");
}

// What comes out is a policy or a PolicyError of one line: no other exception, no crash.
void expect_policy_or_one_line(const std::string& text) {
    try {
        parse_policy(text, "p.toml");
    } catch (const PolicyError& error) {
        const std::string_view message = error.what();
        EXPECT_TRUE(message.starts_with("p.toml:")) << message;
        EXPECT_EQ(message.find('\n'), std::string_view::npos) << message;
    }
}

TEST(PolicyFile, CutOffAnywhereIsNoCrash) {
    const std::string text = whole_file;
    for (std::size_t length = 0; length <= text.size(); ++length) {
        expect_policy_or_one_line(text.substr(0, length));
    }
}

TEST(PolicyFile, DamagedAnywhereIsNoCrash) {
    std::mt19937 random(20240501);
    const std::string characters =
        "\"'[]{}=.#,*\\\n\t \x01\x80\xff"
        "0ae-_";
    for (int round = 0; round < 3000; ++round) {
        std::string text = whole_file;
        for (unsigned change = 0; change <= random() % 4; ++change) {
            const std::size_t place = random() % text.size();
            switch (random() % 4) {
                case 0:
                    text[place] = characters[random() % characters.size()];
                    break;
                case 1:
                    text.insert(place, 1, characters[random() % characters.size()]);
                    break;
                case 2:
                    text.erase(place, random() % 20);
                    break;
                default:
                    text.insert(place, text.substr(random() % text.size(), random() % 60));
            }
        }
        expect_policy_or_one_line(text);
    }
}

TEST(PolicyFile, DeeplyNestedIsNoCrash) {
    for (const char* const opening : {"[", "{a=", "[["}) {
        std::string text = "version = 1\nmode = ";
        for (int depth = 0; depth < 20000; ++depth) {
            text += opening;
        }
        expect_policy_or_one_line(text);
    }
    std::string dotted = "version = 1\na";
    for (int depth = 0; depth < 20000; ++depth) {
        dotted += ".a";
    }
    EXPECT_EQ(message_of(dotted + " = 1"),
              "p.toml:2: more than 200 dots in one line; no key is that deep");
    expect_policy_or_one_line(rule("readers = [\"" + dotted.substr(12) + "\"]"));
}

}  // namespace
}  // namespace pythonnogil::policy
