#include "policy/policy_selection.hpp"

#include <string_view>

#include "policy/wording.hpp"

namespace pythonnogil::policy {

namespace {

constexpr std::string_view policy_option = "nogil-policy";

}  // namespace

std::optional<std::string> select_policy_file(const std::vector<XOption>& x_options,
                                              const std::optional<std::string>& environment) {
    const XOption* selected_by = nullptr;
    for (const XOption& option : x_options) {
        if (option.name != policy_option) {
            continue;
        }
        if (!option.value || option.value->empty()) {
            throw PolicyError("-X nogil-policy needs a file; write -X nogil-policy=FILE");
        }
        if (selected_by != nullptr && selected_by->value != option.value) {
            throw PolicyError("two policies at once: " + printable(spelled(*selected_by)) +
                              " and " + printable(spelled(option)) + "; keep one of them");
        }
        selected_by = &option;
    }
    if (selected_by != nullptr) {
        return selected_by->value;
    }
    return environment && !environment->empty() ? environment : std::nullopt;
}

}  // namespace pythonnogil::policy
