#pragma once

// What is to be done with one module: the rules of the user's policy file and of the one that comes
// with the package, and the decision that follows from them.
//
// Of all rules of the user's file that match the module, the most specific one alone decides; where
// none does, the same holds for the shipped file. One thing passes from the one to the other: a
// user's rule that does not speak of trust leaves a module distrusted that the shipped file
// distrusts, lest a rule for many modules switch such a warning off unseen.
// Thread-safety: immutable once made.
// Errors: PolicyError, for the files.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy_error.hpp"
#include "policy/policy_file.hpp"
#include "policy/rule.hpp"

namespace pythonnogil::policy {

struct Decision {
    std::optional<Mode> mode;  // absent: the mode of the process
    Scope scope = Scope::process;
    std::string group;
    std::vector<std::string> readers;
    Trust trust = Trust::by_declaration;
    bool lock_arguments = true;
    // These belong to the policy. Null: nobody said anything of the module; of its trust.
    const Rule* rule = nullptr;
    const Rule* trust_rule = nullptr;
};

class Policy {
  public:
    // Without any rule.
    Policy() = default;
    explicit Policy(PolicyFile own, PolicyFile shipped = {});

    static Policy from_file(const std::string& path) { return Policy(read_policy_file(path)); }
    static Policy from_text(std::string_view text, const std::string& name) {
        return Policy(parse_policy(text, name));
    }

    // The mode that the user's file has for the process.
    std::optional<Mode> mode() const { return own_.mode; }

    // The rules in force, those of the user's file and then those of the shipped one.
    std::vector<const Rule*> rules() const;

    // Those of them that match the module, in the order in which they are considered: the first
    // one decides.
    std::vector<const Rule*> matching(std::string_view module) const;

    Decision decide(std::string_view module) const;

  private:
    PolicyFile own_;
    PolicyFile shipped_;
};

}  // namespace pythonnogil::policy
