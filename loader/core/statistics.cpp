#include "loader/core/statistics.hpp"

#ifdef Py_GIL_DISABLED

#include <algorithm>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "loader/core/module_records.hpp"
#include "shim/domain.hpp"
#include "shim/elf_image.hpp"
#include "shim/recorder.hpp"

namespace pythonnogil::loader {

namespace {

using shim::recorder::Measures;

// The name that a report gives to a kind of entry.
const char* name_of(shim::EntryKind kind) {
    switch (kind) {
        case shim::EntryKind::constructor:
            return "constructor";
        case shim::EntryKind::deallocator:
            return "deallocator";
        case shim::EntryKind::watcher:
        case shim::EntryKind::inner_loop:
            return "callback";
        case shim::EntryKind::foreign:
            return "instance";
        default:
            return "function";
    }
}

// The longest of something, and the function that it was.
struct Longest {
    std::uint64_t ticks = 0;
    std::string function = {};

    void raise_to(std::uint64_t at_least, const std::string& name) {
        if (at_least > ticks) {
            ticks = at_least;
            function = name;
        }
    }
};

using FunctionKey = std::pair<std::string, shim::EntryKind>;

// What is known of the entries of one module, or of a library that belongs to none.
struct Group {
    const char* domain = nullptr;
    Py_ssize_t guarded = 0;
    Py_ssize_t open = 0;
    Measures sum = {};
    Longest hold = {};
    Longest wait = {};
    std::map<FunctionKey, Measures> functions = {};
};

// A module's name, empty where none is known, and its file.
using GroupKey = std::pair<std::string, std::string>;

// Finds out which module an entry belongs to: by its file, or else by the import during which it
// was registered.
class Attribution {
  public:
    GroupKey of(const shim::ClaimedEntry& claimed) {
        const shim::EntryOrigin& origin = claimed.origin;
        const void* const code = reinterpret_cast<const void*>(claimed.entry.function);
        const std::string path = path_of(origin.site == nullptr ? code : origin.site);
        if (origin.path == path && is_record(origin.module, path))
            return {origin.module, path};
        const auto by_path = std::ranges::find(records_, path, &ModuleRecord::path);
        if (by_path != records_.end())
            return {by_path->name, path};
        if (is_record(origin.module, origin.path))
            return {origin.module, origin.path};
        return {"", path};
    }

  private:
    bool is_record(const std::string& name, const std::string& path) const {
        return std::ranges::any_of(records_, [&](const ModuleRecord& record) {
            return record.name == name && record.path == path;
        });
    }

    // Entries of one module follow each other.
    std::string path_of(const void* address) {
        if (!image_ || !image_->contains(address))
            image_ = shim::ElfImage::containing(address);
        return image_ ? image_->path() : "";
    }

    std::vector<ModuleRecord> records_ = module_records::all();
    std::optional<shim::ElfImage> image_;
};

void add_measures(Group& group, const shim::Entry& entry, const Measures& measures) {
    const std::string name(entry.name);
    group.sum.merge(measures);
    group.hold.raise_to(measures.holds.max(), name);
    group.wait.raise_to(measures.waits.durations.max(), name);
    group.functions[{name, entry.kind}].merge(measures);
}

std::map<GroupKey, Group> sum_up() {
    std::map<GroupKey, Group> groups;
    Attribution attribution;
    const auto measures = shim::recorder::measures();
    shim::thunk_pool::for_each_entry([&](const shim::ClaimedEntry& claimed) {
        Group& group = groups[attribution.of(claimed)];
        if (shim::thunk_pool::is_guarding(claimed.entry)) {
            ++group.guarded;
            group.domain = static_cast<shim::Domain*>(claimed.entry.domain)->current().name();
        } else {
            ++group.open;
        }
        const auto found = measures.find(claimed.index);
        if (found != measures.end())
            add_measures(group, claimed.entry, found->second);
    });
    return groups;
}

// ---- as Python objects ----

double seconds(double ticks) {
    return shim::ticks::to_seconds(ticks);
}

PyObject* describe(const shim::Histogram& durations) {
    return Py_BuildValue(
        "{s:d,s:d,s:d,s:d,s:d}", "total", seconds(static_cast<double>(durations.total())), "p50",
        seconds(durations.percentile(0.5)), "p99", seconds(durations.percentile(0.99)), "p99.9",
        seconds(durations.percentile(0.999)), "max", seconds(static_cast<double>(durations.max())));
}

PyObject* number(std::uint64_t value) {
    return PyLong_FromUnsignedLongLong(value);
}

PyObject* describe(const Measures& measures) {
    const std::uint64_t calls = measures.calls();
    const std::uint64_t waits = measures.waits.durations.count();
    const double share =
        calls == 0 ? 0.0 : std::min(1.0, static_cast<double>(waits) / static_cast<double>(calls));
    const auto& over = measures.waits.over;
    PyObject* waits_over = Py_BuildValue("{s:N,s:N,s:N,s:N}", "1ms", number(over[0].value()), "5ms",
                                         number(over[1].value()), "16ms", number(over[2].value()),
                                         "100ms", number(over[3].value()));
    return Py_BuildValue("{s:N,s:N,s:d,s:N,s:N,s:N}", "calls", number(calls), "waits",
                         number(waits), "contended_share", share, "wait",
                         describe(measures.waits.durations), "hold", describe(measures.holds),
                         "waits_over", waits_over);
}

PyObject* text(const std::string& value) {
    return PyUnicode_DecodeFSDefaultAndSize(value.data(), static_cast<Py_ssize_t>(value.size()));
}

PyObject* describe(const Longest& longest) {
    if (longest.ticks == 0)
        return Py_NewRef(Py_None);
    return Py_BuildValue("{s:N,s:d}", "function", text(longest.function), "seconds",
                         seconds(static_cast<double>(longest.ticks)));
}

// Puts what the reference `value` refers to into `dict` and drops it. False with an exception set.
bool put(PyObject* dict, const char* key, PyObject* value) {
    const bool done = value != nullptr && PyDict_SetItemString(dict, key, value) == 0;
    Py_XDECREF(value);
    return done;
}

bool append(PyObject* list, PyObject* item) {
    const bool done = item != nullptr && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    return done;
}

PyObject* describe_function(const FunctionKey& key, const Measures& measures) {
    PyObject* described = describe(measures);
    if (described != nullptr &&
        !(put(described, "name", text(key.first)) &&
          put(described, "kind", PyUnicode_FromString(name_of(key.second)))))
        Py_CLEAR(described);
    return described;
}

// Most total hold first.
PyObject* describe(const std::map<FunctionKey, Measures>& functions) {
    std::vector<const std::pair<const FunctionKey, Measures>*> sorted;
    sorted.reserve(functions.size());
    for (const auto& function : functions)
        sorted.push_back(&function);
    std::ranges::stable_sort(sorted, std::ranges::greater{},
                             [](const auto* function) { return function->second.holds.total(); });
    PyObject* list = PyList_New(0);
    for (const auto* function : sorted) {
        if (list != nullptr && !append(list, describe_function(function->first, function->second)))
            Py_CLEAR(list);
    }
    return list;
}

PyObject* describe(const GroupKey& key, const Group& group) {
    PyObject* described = describe(group.sum);
    const bool done =
        described != nullptr && put(described, "name", text(key.first)) &&
        put(described, "file", text(key.second)) &&
        put(described, "domain", Py_BuildValue("z", group.domain)) &&
        put(described, "entries",
            Py_BuildValue("{s:n,s:n}", "guarded", group.guarded, "open", group.open)) &&
        put(described, "longest_hold", describe(group.hold)) &&
        put(described, "longest_wait", describe(group.wait)) &&
        put(described, "functions", describe(group.functions));
    if (!done)
        Py_CLEAR(described);
    return described;
}

PyObject* describe_all(const std::map<GroupKey, Group>& groups) {
    PyObject* list = PyList_New(0);
    std::size_t entries = 0;
    for (const auto& [key, group] : groups) {
        if (list != nullptr && !append(list, describe(key, group)))
            Py_CLEAR(list);
        entries += static_cast<std::size_t>(group.guarded + group.open);
    }
    return Py_BuildValue("{s:N,s:{s:n,s:n}}", "modules", list, "memory", "recorder_bytes",
                         static_cast<Py_ssize_t>(shim::recorder::bytes()), "entries_bytes",
                         static_cast<Py_ssize_t>(entries * sizeof(shim::Entry)));
}

}  // namespace

PyObject* start_recording(PyObject*, PyObject*) {
    shim::recorder::start();
    Py_RETURN_NONE;
}

PyObject* stop_recording(PyObject*, PyObject*) {
    shim::recorder::stop();
    Py_RETURN_NONE;
}

PyObject* recording(PyObject*, PyObject*) {
    return PyBool_FromLong(shim::recorder::is_on() ? 1 : 0);
}

PyObject* statistics(PyObject*, PyObject*) {
    try {
        return describe_all(sum_up());
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
        return nullptr;
    }
}

}  // namespace pythonnogil::loader

#else

namespace pythonnogil::loader {

// With a GIL nothing is guarded, so there is nothing to record.
PyObject* start_recording(PyObject*, PyObject*) {
    Py_RETURN_NONE;
}

PyObject* stop_recording(PyObject*, PyObject*) {
    Py_RETURN_NONE;
}

PyObject* recording(PyObject*, PyObject*) {
    Py_RETURN_FALSE;
}

PyObject* statistics(PyObject*, PyObject*) {
    return Py_BuildValue("{s:[],s:{s:i,s:i}}", "modules", "memory", "recorder_bytes", 0,
                         "entries_bytes", 0);
}

}  // namespace pythonnogil::loader

#endif
