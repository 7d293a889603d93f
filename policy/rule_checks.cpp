#include "policy/rule_checks.hpp"

#include <algorithm>
#include <cctype>
#include <map>
#include <tuple>
#include <vector>

#include "policy/wording.hpp"

namespace pythonnogil::policy {

namespace {

using FoundProblem = std::optional<Problem>;

// The first key of the rule that has something to say on how guarded code is locked.
std::string_view locking_key(const Settings& settings) {
    if (settings.scope) {
        return "scope";
    }
    if (!settings.readers.empty()) {
        return "readers";
    }
    return settings.lock_arguments ? "lock-arguments" : "";
}

bool knows_readers(Scope scope) {
    return scope == Scope::process || scope == Scope::group || scope == Scope::module;
}

FoundProblem group_problem(const Settings& settings) {
    const bool grouped = settings.scope == Scope::group;
    if (grouped && settings.group.empty()) {
        return Problem{"scope", "\"group\" needs a name; write group = \"NAME\" beside it"};
    }
    if (!grouped && !settings.group.empty()) {
        return Problem{"group", "has a meaning only beside scope = \"group\""};
    }
    return std::nullopt;
}

FoundProblem scope_problem(const Settings& settings) {
    const Scope scope = settings.scope.value_or(Scope::process);
    const std::string spelled = "scope = " + quoted(scope_name(scope));
    if (!settings.readers.empty() && !knows_readers(scope)) {
        return Problem{"readers", "has no meaning beside " + spelled +
                                      "; readers share the lock of scope process, group or module"};
    }
    if (settings.lock_arguments && scope == Scope::none) {
        return Problem{"lock-arguments", "has no meaning beside " + spelled};
    }
    if (settings.trust == Trust::shared && !knows_readers(scope)) {
        return Problem{"scope", quoted(scope_name(scope)) +
                                    " has no meaning beside trust = \"shared\"; choose process, "
                                    "group or module"};
    }
    return std::nullopt;
}

FoundProblem mode_problem(const Settings& settings) {
    if (!settings.mode || settings.mode == Mode::gil) {
        return std::nullopt;
    }
    const std::string spelled = "mode = " + quoted(mode_name(*settings.mode));
    if (const std::string_view key = locking_key(settings); !key.empty()) {
        return Problem{key, "has no meaning beside " + spelled + ", which guards nothing"};
    }
    if (settings.mode == Mode::off && settings.trust && settings.trust != Trust::by_declaration) {
        return Problem{"trust", quoted(trust_name(*settings.trust)) + " has no meaning beside " +
                                    spelled + ", which leaves the module to CPython"};
    }
    return std::nullopt;
}

FoundProblem trust_problem(const Rule& rule) {
    const Settings& settings = rule.settings;
    if (!settings.trust || settings.trust == Trust::by_declaration) {
        return std::nullopt;
    }
    const std::string name = quoted(trust_name(*settings.trust));
    if (rule.reason.empty()) {
        return Problem{"trust", name +
                                    " needs its evidence; write reason = \"...\" beside it, and "
                                    "a link if there is one"};
    }
    if (settings.trust == Trust::trusted) {
        const std::string_view key = settings.mode ? "mode" : locking_key(settings);
        if (!key.empty()) {
            return Problem{key,
                           "has no meaning beside trust = \"trusted\", which runs the module "
                           "as one that declares itself safe"};
        }
    }
    if (settings.trust == Trust::shared && !settings.readers.empty()) {
        return Problem{"readers",
                       "has no meaning beside trust = \"shared\", which makes all "
                       "functions of the module readers"};
    }
    return std::nullopt;
}

FoundProblem link_problem(const Rule& rule) {
    if (!rule.link.empty() && !rule.link.starts_with("https://") &&
        !rule.link.starts_with("http://")) {
        return Problem{"link", quoted(rule.link) + " is no address; write https://..."};
    }
    return std::nullopt;
}

// Of two rules with equally specific patterns, none decides a module that both match.
void check_equally_specific(const Rule& earlier, const Rule& later) {
    const std::string rest = " in line " + std::to_string(earlier.line);
    const std::string start = printable(place_of(later)) + ": match: " + quoted(later.match.text());
    if (earlier.match.text() == later.match.text()) {
        throw PolicyError(start + " has a rule already" + rest + "; keep one of them");
    }
    if (earlier.settings != later.settings && earlier.match.overlaps(later.match)) {
        throw PolicyError(start + " conflicts with " + quoted(earlier.match.text()) + rest +
                          ": some module is matched by both, neither is more specific, and they "
                          "ask for different things; make one of them more specific");
    }
}

}  // namespace

bool is_function_name(std::string_view text) {
    bool starts_name = true;
    for (const unsigned char character : text) {
        const bool letter = std::isalpha(character) != 0 || character == '_' || character >= 0x80;
        const bool dot = character == '.' && !starts_name;
        const bool digit = std::isdigit(character) != 0 && !starts_name;
        if (!letter && !dot && !digit) {
            return false;
        }
        starts_name = dot;
    }
    return !starts_name;
}

std::optional<Problem> problem_of(const Rule& rule) {
    for (const FoundProblem& problem :
         {group_problem(rule.settings), trust_problem(rule), mode_problem(rule.settings),
          scope_problem(rule.settings), link_problem(rule)}) {
        if (problem) {
            return problem;
        }
    }
    return std::nullopt;
}

void check_rules_together(std::span<const Rule> rules) {
    // Only patterns with the same characters before their first * can match the same module and
    // be equally specific.
    using Key = std::tuple<std::string_view, std::size_t, bool>;
    std::map<Key, std::vector<const Rule*>> alike;
    for (const Rule& rule : rules) {
        const Specificity specificity = rule.match.specificity();
        auto& earlier = alike[{rule.match.prefix(), specificity.literals, specificity.exact}];
        for (const Rule* other : earlier) {
            check_equally_specific(*other, rule);
        }
        earlier.push_back(&rule);
    }
}

}  // namespace pythonnogil::policy
