#include "policy/x_options.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string_view>
#include <utility>

namespace pythonnogil::policy {

namespace {

// CPython's table of short options; a colon marks those that take an argument.
constexpr std::string_view short_options = "bBc:dEhiIm:OPqRsStuvVW:xX:?";
constexpr std::string_view long_option_with_argument = "check-hash-based-pycs";

struct Option {
    char letter;
    std::string_view argument;
};

// Walks a command line in CPython's dialect of getopt: letters may be clustered, an argument is the
// rest of the cluster or the next word, the first word that is no option ends the options.
class OptionReader {
  public:
    explicit OptionReader(std::span<const std::string> argv) : argv_(argv) {}

    std::optional<Option> next() {
        if (cluster_.empty() && !open_cluster()) {
            return std::nullopt;
        }
        const char letter = cluster_.front();
        cluster_.remove_prefix(1);
        return letter == '-' ? long_option() : short_option(letter);
    }

  private:
    bool open_cluster() {
        if (next_word_ >= argv_.size()) {
            return false;
        }
        const std::string_view word = argv_[next_word_];
        if (!word.starts_with('-') || word == "-" || word == "--") {
            return false;
        }
        ++next_word_;
        cluster_ = word.substr(1);
        return true;
    }

    std::optional<Option> short_option(char letter) {
        const std::size_t place = short_options.find(letter);
        if (letter == ':' || place == std::string_view::npos) {
            return std::nullopt;
        }
        if (short_options.substr(place + 1).starts_with(':')) {
            return with_argument(letter);
        }
        return Option{letter, {}};
    }

    std::optional<Option> long_option() {
        const std::string_view name = std::exchange(cluster_, {});
        if (name == long_option_with_argument) {
            return with_argument('-');
        }
        return std::nullopt;
    }

    std::optional<Option> with_argument(char letter) {
        if (!cluster_.empty()) {
            return Option{letter, std::exchange(cluster_, {})};
        }
        if (next_word_ >= argv_.size()) {
            return std::nullopt;
        }
        return Option{letter, argv_[next_word_++]};
    }

    std::span<const std::string> argv_;
    std::size_t next_word_ = 1;
    std::string_view cluster_;
};

XOption split_at_equals(std::string_view text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) {
        return {std::string(text), std::nullopt};
    }
    return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

const XOption* last_named(const std::vector<XOption>& options, std::string_view name) {
    const auto found = std::find_if(options.rbegin(), options.rend(),
                                    [&](const XOption& option) { return option.name == name; });
    return found == options.rend() ? nullptr : &*found;
}

}  // namespace

std::string spelled(const XOption& option) {
    std::string text = "-X " + option.name;
    if (option.value) {
        text += "=" + *option.value;
    }
    return text;
}

std::vector<XOption> parse_x_options(std::span<const std::string> argv) {
    std::vector<XOption> found;
    OptionReader reader(argv);
    while (const std::optional<Option> option = reader.next()) {
        // Everything after -c CODE and -m MODULE belongs to the program.
        if (option->letter == 'c' || option->letter == 'm') {
            break;
        }
        if (option->letter == 'X') {
            found.push_back(split_at_equals(option->argument));
        }
    }
    return found;
}

std::vector<XOption> collect_x_options(const std::vector<XOption>& known,
                                       std::span<const std::string> argv) {
    const std::vector<XOption> shown = parse_x_options(argv);
    const auto read_by_interpreter = [&](const XOption& option) {
        const XOption* last_shown = last_named(shown, option.name);
        const XOption* last_known = last_named(known, option.name);
        return last_known != nullptr && last_shown != nullptr && *last_known == *last_shown;
    };

    std::vector<XOption> collected;
    std::copy_if(shown.begin(), shown.end(), std::back_inserter(collected), read_by_interpreter);
    std::copy_if(known.begin(), known.end(), std::back_inserter(collected),
                 [&](const XOption& option) { return !read_by_interpreter(option); });
    return collected;
}

}  // namespace pythonnogil::policy
