#pragma once

// Which mode a process runs in, from what its command line and its environment say.
// The command line beats the environment, which beats the policy file, which beats the default,
// gil. Whatever looks like a selection but is none is an error: a typo must never leave a process
// in a weaker mode than the one that was asked for. Thread-safety: pure function over its argument.
// Errors: ModeError, whose text is one complete line for the user.

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "policy/x_options.hpp"
#include "pythonnogil/mode.hpp"

namespace pythonnogil::policy {

struct ModeRequest {
    // All -X options, also those of no concern here, in the order given.
    std::vector<XOption> x_options;
    // PYTHONNOGIL_MODE; absent when unset or silenced by -E or -I. Empty means unset.
    std::optional<std::string> environment;
    // What the policy file says, if there is one and it does.
    std::optional<Mode> policy = std::nullopt;
};

class ModeError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

Mode select_mode(const ModeRequest& request);

}  // namespace pythonnogil::policy
