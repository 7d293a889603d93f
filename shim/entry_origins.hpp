// Finds out which module an entry comes from, for reports: the one that is being imported, or the
// one that was imported from the file in which the function or its table lies.
//
// Thread-safety: any thread; one mutex, never held while Python code runs, and held across fork.
// Errors: std::bad_alloc.
#pragma once

#include <string>

#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim::entry_origins {

// A module is imported from the file. The last one counts.
void note(const std::string& path, const std::string& module);

// `site` as in EntryOrigin.
EntryOrigin find(const void* function, const void* site);

}  // namespace pythonnogil::shim::entry_origins
