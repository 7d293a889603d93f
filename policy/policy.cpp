#include "policy/policy.hpp"

#include <algorithm>
#include <utility>

namespace pythonnogil::policy {

namespace {

std::vector<const Rule*> most_specific_first(const std::vector<Rule>& rules,
                                             std::string_view module) {
    std::vector<const Rule*> found;
    for (const Rule& rule : rules) {
        if (rule.match.matches(module)) {
            found.push_back(&rule);
        }
    }
    std::ranges::stable_sort(found, [](const Rule* left, const Rule* right) {
        return left->match.specificity() > right->match.specificity();
    });
    return found;
}

void append(std::vector<const Rule*>& rules, const std::vector<const Rule*>& more) {
    rules.insert(rules.end(), more.begin(), more.end());
}

}  // namespace

Policy::Policy(PolicyFile own, PolicyFile shipped)
    : own_(std::move(own)), shipped_(std::move(shipped)) {
    if (!own_.shipped) {
        shipped_.rules.clear();
    }
}

std::vector<const Rule*> Policy::rules() const {
    std::vector<const Rule*> all;
    for (const std::vector<Rule>* rules : {&own_.rules, &shipped_.rules}) {
        for (const Rule& rule : *rules) {
            all.push_back(&rule);
        }
    }
    return all;
}

std::vector<const Rule*> Policy::matching(std::string_view module) const {
    std::vector<const Rule*> found = most_specific_first(own_.rules, module);
    append(found, most_specific_first(shipped_.rules, module));
    return found;
}

Decision Policy::decide(std::string_view module) const {
    Decision decision;
    const std::vector<const Rule*> own = most_specific_first(own_.rules, module);
    const std::vector<const Rule*> shipped = most_specific_first(shipped_.rules, module);
    if (own.empty() && shipped.empty()) {
        return decision;
    }
    decision.rule = own.empty() ? shipped.front() : own.front();
    const Settings& settings = decision.rule->settings;
    decision.mode = settings.mode;
    decision.scope = settings.scope.value_or(decision.scope);
    decision.group = settings.group;
    decision.readers = settings.readers;
    decision.lock_arguments = settings.lock_arguments.value_or(decision.lock_arguments);
    if (settings.trust) {
        decision.trust_rule = decision.rule;
    } else if (!shipped.empty() && shipped.front()->settings.trust) {
        decision.trust_rule = shipped.front();
    }
    if (decision.trust_rule != nullptr) {
        decision.trust = *decision.trust_rule->settings.trust;
    }
    return decision;
}

}  // namespace pythonnogil::policy
