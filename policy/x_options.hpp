#pragma once

// The -X options of a Python command line, each with its place, repeated ones included.
// sys._xoptions keeps only the last of two options with one name, which would let the first of two
// contradicting modes vanish without a word; hence the reader of the command line itself.
// Thread-safety: pure functions over their arguments.
// Errors: none beyond std::bad_alloc; what CPython would refuse ends the reading.

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace pythonnogil::policy {

struct XOption {
    std::string name;
    // Absent in "-X name", empty in "-X name=".
    std::optional<std::string> value;

    bool operator==(const XOption&) const = default;
};

// The option as one would write it, for messages: "-X name=value".
std::string spelled(const XOption& option);

// Reads argv (argv[0] is the program) as CPython's own command line reader does and returns each
// -X before the script, -c, -m, "-" or "--".
std::vector<XOption> parse_x_options(std::span<const std::string> argv);

// What the interpreter was really given. `known` is sys._xoptions; argv adds the repetitions that
// it lost. An argv that disagrees with `known` was never read by the interpreter (a program that
// embeds Python has an argv of its own), so for such a name `known` alone counts.
std::vector<XOption> collect_x_options(const std::vector<XOption>& known,
                                       std::span<const std::string> argv);

}  // namespace pythonnogil::policy
