// Load-time events, for people who ask what the loader did: PYTHONNOGIL_LOG=debug writes them to
// stderr. Nothing is logged per call.
//
// Thread-safety: any thread. Errors: none; a level that is not known is reported once and means
// "warn".
#pragma once

#include <string>

namespace pythonnogil::shim {

void log_debug(const std::string& event);
void log_warning(const std::string& event);

}  // namespace pythonnogil::shim
