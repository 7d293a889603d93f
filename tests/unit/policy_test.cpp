#include <gtest/gtest.h>

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "policy/mode_selection.hpp"
#include "policy/x_options.hpp"
#include "pythonnogil/mode.hpp"

namespace pythonnogil::policy {

// Lets GoogleTest print what a failing comparison saw; found through the type's namespace.
static void PrintTo(const XOption& option, std::ostream* out) {
    *out << spelled(option);
}

namespace {

using Words = std::vector<std::string>;
using XOptions = std::vector<XOption>;

const XOption strict{"strict-nogil", std::nullopt};
const XOption unsafe{"unsafe-nogil", std::nullopt};

XOption nogil_mode(std::string value) {
    return {"nogil-mode", std::move(value)};
}

TEST(ModeNames, EveryNameLeadsBackToItsMode) {
    for (const NamedMode& entry : named_modes) {
        EXPECT_EQ(mode_name(entry.mode), entry.name);
        EXPECT_EQ(mode_from_name(entry.name), entry.mode);
    }
}

TEST(ModeNames, NamesAreExact) {
    for (const char* name : {"", "GIL", " gil", "strict", "strict_nogil", "nogil"}) {
        EXPECT_EQ(mode_from_name(name), std::nullopt) << '"' << name << '"';
    }
}

struct Selection {
    const char* title;
    ModeRequest request;
    Mode expected;
};

class SelectMode : public testing::TestWithParam<Selection> {};

TEST_P(SelectMode, GivesTheMode) {
    EXPECT_EQ(mode_name(select_mode(GetParam().request)), mode_name(GetParam().expected));
}

const Selection selections[] = {
    {"NothingAsked", {}, Mode::gil},
    {"EmptyEnvironmentMeansUnset", {{}, ""}, Mode::gil},
    {"EnvironmentGil", {{}, "gil"}, Mode::gil},
    {"EnvironmentStrict", {{}, "strict-nogil"}, Mode::strict_nogil},
    {"EnvironmentUnsafe", {{}, "unsafe-nogil"}, Mode::unsafe_nogil},
    {"EnvironmentOff", {{}, "off"}, Mode::off},
    {"StrictFlag", {{strict}, std::nullopt}, Mode::strict_nogil},
    {"UnsafeFlag", {{unsafe}, std::nullopt}, Mode::unsafe_nogil},
    {"ModeOptionGil", {{nogil_mode("gil")}, std::nullopt}, Mode::gil},
    {"ModeOptionStrict", {{nogil_mode("strict-nogil")}, std::nullopt}, Mode::strict_nogil},
    {"ModeOptionUnsafe", {{nogil_mode("unsafe-nogil")}, std::nullopt}, Mode::unsafe_nogil},
    {"ModeOptionOff", {{nogil_mode("off")}, std::nullopt}, Mode::off},
    {"CommandLineBeatsEnvironment", {{strict}, "off"}, Mode::strict_nogil},
    {"CommandLineBeatsUnknownEnvironment", {{nogil_mode("gil")}, "fast"}, Mode::gil},
    {"SameModeTwice",
     {{strict, nogil_mode("strict-nogil"), strict}, std::nullopt},
     Mode::strict_nogil},
    {"OtherOptionsBetween",
     {{{"dev", std::nullopt}, unsafe, {"gil", "0"}}, std::nullopt},
     Mode::unsafe_nogil},
    {"ReservedOptionsSelectNothing",
     {{{"nogil-policy", "a.toml"}, {"nogil-report", std::nullopt}}, "strict-nogil"},
     Mode::strict_nogil},
    {"ForeignOptionsAreNotOurs",
     {{{"gil", "0"},
       {"pycache_prefix", "/cache/pythonnogil"},
       {"strict", std::nullopt},
       {"unsafe", std::nullopt},
       {"no-debug-mode", std::nullopt}},
      std::nullopt},
     Mode::gil},
};

std::string title_of_selection(const testing::TestParamInfo<Selection>& info) {
    return info.param.title;
}

INSTANTIATE_TEST_SUITE_P(Table, SelectMode, testing::ValuesIn(selections), title_of_selection);

struct Refusal {
    const char* title;
    ModeRequest request;
    const char* message;
};

class RefuseMode : public testing::TestWithParam<Refusal> {};

TEST_P(RefuseMode, SaysWhyInOneLine) {
    try {
        const Mode mode = select_mode(GetParam().request);
        FAIL() << "selected " << mode_name(mode);
    } catch (const ModeError& error) {
        EXPECT_STREQ(error.what(), GetParam().message);
    }
}

#define ALL_MODES "gil, strict-nogil, unsafe-nogil, off"
#define UNKNOWN_OPTION(spelling)            \
    "pythonnogil: unknown option " spelling \
    "; write -X strict-nogil, -X unsafe-nogil or -X nogil-mode=MODE"

const Refusal refusals[] = {
    {"UnknownInEnvironment",
     {{}, "fast"},
     "pythonnogil: unknown mode \"fast\" in PYTHONNOGIL_MODE; choose one of " ALL_MODES},
    {"EnvironmentIsCaseSensitive",
     {{}, "GIL"},
     "pythonnogil: unknown mode \"GIL\" in PYTHONNOGIL_MODE; choose one of " ALL_MODES},
    {"ControlCharactersDoNotBreakTheLine",
     {{}, "a\nb"},
     "pythonnogil: unknown mode \"a?b\" in PYTHONNOGIL_MODE; choose one of " ALL_MODES},
    {"UnknownInModeOption",
     {{nogil_mode("fast")}, "gil"},
     "pythonnogil: unknown mode \"fast\" in -X nogil-mode; choose one of " ALL_MODES},
    {"ModeOptionWithoutValue",
     {{{"nogil-mode", std::nullopt}}, std::nullopt},
     "pythonnogil: -X nogil-mode needs a value; write -X nogil-mode=MODE with one of " ALL_MODES},
    {"ModeOptionWithEmptyValue",
     {{nogil_mode("")}, std::nullopt},
     "pythonnogil: -X nogil-mode needs a value; write -X nogil-mode=MODE with one of " ALL_MODES},
    {"FlagWithValue",
     {{{"strict-nogil", "foo"}}, std::nullopt},
     "pythonnogil: -X strict-nogil takes no value, but \"foo\" was given; write -X strict-nogil"},
    {"FlagWithEmptyValue",
     {{{"unsafe-nogil", ""}}, std::nullopt},
     "pythonnogil: -X unsafe-nogil takes no value, but \"\" was given; write -X unsafe-nogil"},
    {"BothFlags",
     {{strict, unsafe}, std::nullopt},
     "pythonnogil: two modes at once: -X strict-nogil and -X unsafe-nogil; keep one of them"},
    {"FlagAndModeOption",
     {{strict, {"dev", std::nullopt}, nogil_mode("gil")}, "strict-nogil"},
     "pythonnogil: two modes at once: -X strict-nogil and -X nogil-mode=gil; keep one of them"},
    {"ModeOptionTwice",
     {{nogil_mode("off"), nogil_mode("gil")}, std::nullopt},
     "pythonnogil: two modes at once: -X nogil-mode=off and -X nogil-mode=gil; keep one of them"},
    {"MisspelledFlag",
     {{{"strict-nogill", std::nullopt}}, std::nullopt},
     UNKNOWN_OPTION("-X strict-nogill")},
    {"MisspelledFlagBesideAGoodOne",
     {{unsafe, {"strict_nogil", std::nullopt}}, std::nullopt},
     UNKNOWN_OPTION("-X strict_nogil")},
    {"MisspelledSecondHalf",
     {{{"strict-nogl", std::nullopt}}, std::nullopt},
     UNKNOWN_OPTION("-X strict-nogl")},
    {"OtherCase",
     {{{"Strict-NoGIL", std::nullopt}}, std::nullopt},
     UNKNOWN_OPTION("-X Strict-NoGIL")},
    {"Abbreviated", {{{"nogil", std::nullopt}}, std::nullopt}, UNKNOWN_OPTION("-X nogil")},
    {"MisspelledModeOption",
     {{{"nogil-mod", "strict-nogil"}}, std::nullopt},
     UNKNOWN_OPTION("-X nogil-mod=strict-nogil")},
    {"MisspelledModeOptionKnownByItsValue",
     {{{"nogl-mode", "strict-nogil"}}, std::nullopt},
     UNKNOWN_OPTION("-X nogl-mode=strict-nogil")},
};

#undef UNKNOWN_OPTION
#undef ALL_MODES

std::string title_of_refusal(const testing::TestParamInfo<Refusal>& info) {
    return info.param.title;
}

INSTANTIATE_TEST_SUITE_P(Table, RefuseMode, testing::ValuesIn(refusals), title_of_refusal);

struct CommandLine {
    const char* title;
    Words argv;
    XOptions expected;
};

class ParseXOptions : public testing::TestWithParam<CommandLine> {};

TEST_P(ParseXOptions, ReadsWhatCPythonReads) {
    EXPECT_EQ(parse_x_options(GetParam().argv), GetParam().expected);
}

const XOption a{"a", std::nullopt};
const XOption b{"b", std::nullopt};

const CommandLine command_lines[] = {
    {"NoArguments", {}, {}},
    {"ProgramOnly", {"python"}, {}},
    {"ProgramIsNoOption", {"-Xa"}, {}},
    {"Separate", {"python", "-X", "a"}, {a}},
    {"Joined", {"python", "-Xa"}, {a}},
    {"Clustered", {"python", "-IBXa", "-uX", "b"}, {a, b}},
    {"ArgumentMayLookLikeAnOption", {"python", "-X", "-c", "-Xa"}, {{"-c", std::nullopt}, a}},
    {"Value", {"python", "-Xa=1"}, {{"a", "1"}}},
    {"EmptyValue", {"python", "-X", "a="}, {{"a", ""}}},
    {"ValueWithEquals", {"python", "-X", "a=b=c"}, {{"a", "b=c"}}},
    {"EmptyName", {"python", "-X", "=1"}, {{"", "1"}}},
    {"Repeated", {"python", "-Xa=1", "-Xb", "-Xa=2"}, {{"a", "1"}, b, {"a", "2"}}},
    {"StopsAtScript", {"python", "-Xa", "app.py", "-Xb"}, {a}},
    {"StopsAtCommand", {"python", "-Xa", "-c", "pass", "-Xb"}, {a}},
    {"StopsAtJoinedCommand", {"python", "-Xa", "-cpass", "-Xb"}, {a}},
    {"StopsAtModule", {"python", "-Xa", "-um", "timeit", "-Xb"}, {a}},
    {"StopsAtStandardInput", {"python", "-Xa", "-", "-Xb"}, {a}},
    {"StopsAtDoubleDash", {"python", "-Xa", "--", "-Xb"}, {a}},
    {"StopsAtEmptyWord", {"python", "-Xa", "", "-Xb"}, {a}},
    {"StopsAtUnknownOption", {"python", "-Xa", "-J", "-Xb"}, {a}},
    {"StopsAtUnknownLongOption", {"python", "-Xa", "--xyz", "-Xb"}, {a}},
    {"WarningOptionTakesAnArgument", {"python", "-W", "app.py", "-Xa"}, {a}},
    {"JoinedWarningOptionSwallowsTheCluster", {"python", "-WXa", "-Xb"}, {b}},
    {"LongOptionTakesAnArgument", {"python", "--check-hash-based-pycs", "always", "-Xa"}, {a}},
    {"LongOptionWithoutArgument", {"python", "--check-hash-based-pycs"}, {}},
    {"ArgumentMissing", {"python", "-Xa", "-X"}, {a}},
};

std::string title_of_command_line(const testing::TestParamInfo<CommandLine>& info) {
    return info.param.title;
}

INSTANTIATE_TEST_SUITE_P(Table, ParseXOptions, testing::ValuesIn(command_lines),
                         title_of_command_line);

TEST(CollectXOptions, KeepsRepetitionsThatTheInterpreterLost) {
    const Words argv{"python", "-Xnogil-mode=gil", "-Xnogil-mode=off"};
    const XOptions expected{nogil_mode("gil"), nogil_mode("off")};
    EXPECT_EQ(collect_x_options({nogil_mode("off")}, argv), expected);
}

TEST(CollectXOptions, TakesOptionsThatAnEmbeddingProgramSet) {
    EXPECT_EQ(collect_x_options({strict}, Words{"host"}), XOptions{strict});
}

TEST(CollectXOptions, IgnoresACommandLineThatTheInterpreterNeverRead) {
    EXPECT_EQ(collect_x_options({}, Words{"host", "-X", "strict-nogil"}), XOptions{});
}

TEST(CollectXOptions, BelievesTheInterpreterWhereTheCommandLineDisagrees) {
    const Words argv{"host", "-Xnogil-mode=off"};
    EXPECT_EQ(collect_x_options({nogil_mode("gil")}, argv), XOptions{nogil_mode("gil")});
}

}  // namespace
}  // namespace pythonnogil::policy
