// What became of every extension module that was imported through the hook.
//
// Thread-safety: any thread; one mutex, never held while Python code runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "policy/policy.hpp"
#include "pythonnogil/mode.hpp"
#include "shim/import_in_progress.hpp"

namespace pythonnogil::loader {

struct ModuleRecord {
    std::string name;
    std::string path;
    shim::Verdict verdict;
    shim::LegacyReason reason;  // of a legacy or trusted module
    Mode mode;
    policy::Scope scope;       // none where the module is not guarded
    const policy::Rule* rule;  // the one that decided, if there was one; never freed
};

// How many entries of the module's file, its private libraries not counted, are guarded.
std::size_t entries_of(const ModuleRecord& record);

namespace module_records {

// The same name and path replaces the earlier record.
void add(ModuleRecord record);

std::optional<ModuleRecord> find(const std::string& name, const std::string& path);

// Whether a legacy module from this file, under any name, runs unguarded.
bool was_loaded_unguarded(const std::string& path);

std::vector<ModuleRecord> all();

void clear();

}  // namespace module_records

// The function modules() of pythonnogil._core: all records as a list of dictionaries.
PyObject* modules(PyObject* module, PyObject* no_arguments);

}  // namespace pythonnogil::loader
