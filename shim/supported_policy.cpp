#include "shim/supported_policy.hpp"

#include <string>

#include "policy/wording.hpp"

namespace pythonnogil::shim {

namespace {

template <typename Table>
[[noreturn]] void fail(const policy::Rule& rule, const std::string& key, std::string_view value,
                       const Table& table) {
    std::string choices;
    for (const auto& entry : table) {
        if (supported(entry.value))
            choices.append(choices.empty() ? "" : ", ").append(entry.name);
    }
    throw policy::PolicyError(policy::printable(policy::place_of(rule)) + ": " + key +
                              ": this version of pythonnogil has no " + key + ' ' +
                              policy::quoted(value) + " yet; choose one of " + choices);
}

}  // namespace

bool supported(policy::Scope scope) {
    return scope == policy::Scope::process;
}

bool supported(policy::Trust trust) {
    return trust != policy::Trust::shared;
}

void check_supported(const policy::Policy& policy) {
    for (const policy::Rule* rule : policy.rules()) {
        const policy::Settings& settings = rule->settings;
        if (settings.scope && !supported(*settings.scope))
            fail(*rule, "scope", policy::scope_name(*settings.scope), policy::named_scopes);
        if (settings.trust && !supported(*settings.trust))
            fail(*rule, "trust", policy::trust_name(*settings.trust), policy::named_trusts);
    }
}

}  // namespace pythonnogil::shim
