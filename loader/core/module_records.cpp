#include "loader/core/module_records.hpp"

#include <algorithm>
#include <mutex>

#ifdef Py_GIL_DISABLED
#include "shim/elf_image.hpp"
#include "shim/thunk_pool.hpp"
#endif

namespace pythonnogil::loader {

namespace module_records {

namespace {

struct Records {
    std::mutex mutex;
    std::vector<ModuleRecord> all;
};

// Never destroyed: modules may be imported while the process ends.
Records& records() {
    static auto* const instance = new Records;
    return *instance;
}

auto find_locked(const std::string& name, const std::string& path) {
    return std::ranges::find_if(records().all, [&](const ModuleRecord& record) {
        return record.name == name && record.path == path;
    });
}

}  // namespace

void add(ModuleRecord record) {
    const std::lock_guard lock(records().mutex);
    const auto place = find_locked(record.name, record.path);
    if (place == records().all.end())
        records().all.push_back(std::move(record));
    else
        *place = std::move(record);
}

std::optional<ModuleRecord> find(const std::string& name, const std::string& path) {
    const std::lock_guard lock(records().mutex);
    const auto place = find_locked(name, path);
    return place == records().all.end() ? std::nullopt : std::optional(*place);
}

bool was_loaded_unguarded(const std::string& path) {
    const std::lock_guard lock(records().mutex);
    return std::ranges::any_of(records().all, [&](const ModuleRecord& record) {
        return record.path == path &&
               (record.verdict == shim::Verdict::trusted ||
                (record.verdict == shim::Verdict::legacy && record.scope == policy::Scope::none));
    });
}

std::vector<ModuleRecord> all() {
    const std::lock_guard lock(records().mutex);
    return records().all;
}

void clear() {
    const std::lock_guard lock(records().mutex);
    records().all.clear();
}

}  // namespace module_records

#ifdef Py_GIL_DISABLED
std::size_t entries_of(const ModuleRecord& record) {
    std::size_t count = 0;
    std::optional<shim::ElfImage> image;
    shim::thunk_pool::for_each_function([&](const void* function) {
        if (!image || !image->contains(function)) {
            const auto other = shim::ElfImage::containing(function);
            if (!other || other->path() != record.path)
                return;
            image = other;
        }
        ++count;
    });
    return count;
}
#else
std::size_t entries_of(const ModuleRecord&) {
    return 0;
}
#endif

namespace {

const char* name_of(shim::Verdict verdict) {
    switch (verdict) {
        case shim::Verdict::legacy:
            return "legacy";
        case shim::Verdict::trusted:
            return "trusted";
        default:
            return "declared";
    }
}

PyObject* describe(const ModuleRecord& record) {
    const bool declared = record.verdict == shim::Verdict::declared;
    PyObject* rule = record.rule == nullptr
                         ? Py_NewRef(Py_None)
                         : PyUnicode_DecodeFSDefault(policy::place_of(*record.rule).c_str());
    // The names are constants that end in a zero.
    return Py_BuildValue(
        "{s:s,s:N,s:s,s:s,s:s,s:s,s:N,s:n}", "name", record.name.c_str(), "path",
        PyUnicode_DecodeFSDefault(record.path.c_str()), "verdict", name_of(record.verdict),
        "reason", declared ? "" : shim::name_of(record.reason), "mode",
        mode_name(record.mode).data(), "scope", policy::scope_name(record.scope).data(), "rule",
        rule, "entries", static_cast<Py_ssize_t>(entries_of(record)));
}

}  // namespace

PyObject* modules(PyObject*, PyObject*) {
    PyObject* list = PyList_New(0);
    for (const ModuleRecord& record : module_records::all()) {
        PyObject* item = list == nullptr ? nullptr : describe(record);
        const bool appended = item != nullptr && PyList_Append(list, item) == 0;
        Py_XDECREF(item);
        if (!appended) {
            Py_XDECREF(list);
            return nullptr;
        }
    }
    return list;
}

}  // namespace pythonnogil::loader
