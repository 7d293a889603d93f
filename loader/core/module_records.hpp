// What became of every extension module that was imported through the hook.
//
// Thread-safety: any thread; one mutex, never held while Python code runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pythonnogil/mode.hpp"
#include "shim/import_in_progress.hpp"

namespace pythonnogil::loader {

struct ModuleRecord {
    std::string name;
    std::string path;
    shim::Verdict verdict;
    shim::LegacyReason reason;  // of a legacy module
    Mode mode;
};

// How many entries of the module's file, its private libraries not counted, are guarded.
std::size_t entries_of(const ModuleRecord& record);

namespace module_records {

// The same name and path replaces the earlier record.
void add(ModuleRecord record);

std::optional<ModuleRecord> find(const std::string& name, const std::string& path);

std::vector<ModuleRecord> all();

void clear();

}  // namespace module_records

}  // namespace pythonnogil::loader
