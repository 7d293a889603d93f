#include "policy/rule.hpp"

namespace pythonnogil::policy {

std::string place_of(const Rule& rule) {
    return rule.file + ':' + std::to_string(rule.line);
}

}  // namespace pythonnogil::policy
