// The watchdog's texts: one wait with all who take part in it, or all that is held and waited for.
//
// Thread-safety: the watchdog's thread. Errors: none.
#pragma once

#include <string>
#include <vector>

#include "shim/watchdog.hpp"

namespace pythonnogil::shim::watchdog {

// `all` are all the waits that are known; those for the same lock are part of the text.
std::string describe_wait(const Waiting& wait, const std::vector<Waiting>& all,
                          const Settings& settings);

std::string describe_state(const std::vector<Waiting>& all, const Settings& settings);

}  // namespace pythonnogil::shim::watchdog
