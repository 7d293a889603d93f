#pragma once

// What is wrong with a policy: one line for the user that names the file and, where there is one,
// the line and column in it.

#include <stdexcept>

namespace pythonnogil::policy {

class PolicyError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}  // namespace pythonnogil::policy
