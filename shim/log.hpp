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

// Whether debug events are written, for events that are expensive to describe.
bool logs_debug();

}  // namespace pythonnogil::shim
