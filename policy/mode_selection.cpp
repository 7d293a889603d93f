#include "policy/mode_selection.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "policy/wording.hpp"

namespace pythonnogil::policy {

namespace {

constexpr std::string_view mode_option = "nogil-mode";
constexpr std::string_view environment_variable = "PYTHONNOGIL_MODE";

// Options that are ours but select no mode.
constexpr std::array<std::string_view, 6> other_options{"nogil-evidence", "nogil-policy",
                                                        "nogil-report",   "nogil-report-signal",
                                                        "nogil-trace",    "nogil-watchdog"};

[[noreturn]] void fail(const std::string& what) {
    throw ModeError("pythonnogil: " + what);
}

std::string list_of_modes() {
    std::string list;
    for (const NamedMode& entry : named_modes) {
        list.append(list.empty() ? "" : ", ").append(entry.name);
    }
    return list;
}

Mode mode_or_error(const std::string& name, std::string_view where) {
    if (const std::optional<Mode> mode = mode_from_name(name)) {
        return *mode;
    }
    fail("unknown mode \"" + printable(name) + "\" in " + std::string(where) + "; choose one of " +
         list_of_modes());
}

// "-X strict-nogil" and "-X unsafe-nogil" are modes by name; the others need -X nogil-mode.
bool is_mode_flag(std::string_view name) {
    return name == mode_name(Mode::strict_nogil) || name == mode_name(Mode::unsafe_nogil);
}

// Lower case, without the separators that people forget or swap.
std::string squeezed(std::string_view text) {
    std::string result;
    for (const unsigned char c : text) {
        if (c != '-' && c != '_') {
            result += static_cast<char>(std::tolower(c));
        }
    }
    return result;
}

// True for a name that nobody but us would have been meant by. CPython accepts any -X in silence,
// so a misspelled option of ours must be caught here.
bool meant_for_us(const XOption& option) {
    const std::string name = squeezed(option.name);
    return name.find("nogil") != std::string::npos || name.starts_with("strictn") ||
           (option.value && is_mode_flag(*option.value));
}

std::optional<Mode> selection_of(const XOption& option) {
    if (is_mode_flag(option.name)) {
        if (option.value) {
            fail("-X " + option.name + " takes no value, but \"" + printable(*option.value) +
                 "\" was given; write -X " + option.name);
        }
        return mode_from_name(option.name);
    }
    if (option.name == mode_option) {
        if (!option.value || option.value->empty()) {
            fail("-X nogil-mode needs a value; write -X nogil-mode=MODE with one of " +
                 list_of_modes());
        }
        return mode_or_error(*option.value, "-X nogil-mode");
    }
    if (std::find(other_options.begin(), other_options.end(), option.name) != other_options.end()) {
        return std::nullopt;
    }
    if (meant_for_us(option)) {
        fail("unknown option " + printable(spelled(option)) +
             "; write -X strict-nogil, -X unsafe-nogil or -X nogil-mode=MODE");
    }
    return std::nullopt;
}

std::optional<Mode> mode_of_command_line(const std::vector<XOption>& options) {
    std::optional<Mode> selected;
    const XOption* selected_by = nullptr;
    for (const XOption& option : options) {
        const std::optional<Mode> mode = selection_of(option);
        if (selected && mode && *mode != *selected) {
            fail("two modes at once: " + spelled(*selected_by) + " and " + spelled(option) +
                 "; keep one of them");
        }
        if (mode) {
            selected = mode;
            selected_by = &option;
        }
    }
    return selected;
}

}  // namespace

Mode select_mode(const ModeRequest& request) {
    if (const std::optional<Mode> mode = mode_of_command_line(request.x_options)) {
        return *mode;
    }
    if (request.environment && !request.environment->empty()) {
        return mode_or_error(*request.environment, environment_variable);
    }
    return request.policy.value_or(Mode::gil);
}

}  // namespace pythonnogil::policy
