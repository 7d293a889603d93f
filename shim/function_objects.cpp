#include "shim/function_objects.hpp"

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "shim/entry_origins.hpp"
#include "shim/fork_mutex.hpp"

namespace pythonnogil::shim::function_objects {

namespace {

// What was found out about one function, by its definition, which is static. Lives for ever.
struct Known {
    const PyMethodDef* definition;
    const Entry* through;
    const Entry* recorded_as;
};

// The last one that was looked for of those with the same place.
constexpr std::size_t places = 1024;
constinit std::array<std::atomic<const Known*>, places> known_functions{};

// The qualified name, as introspection shows it. Its getter is legacy code: guarded, and recorded.
std::optional<std::string> name_of(PyObject* function) {
    PyObject* raised = PyErr_GetRaisedException();
    PyObject* name = PyObject_GetAttrString(function, "__qualname__");
    const char* characters =
        name != nullptr && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : nullptr;
    std::optional<std::string> found;
    if (characters != nullptr)
        found = characters;
    Py_XDECREF(name);
    PyErr_SetRaisedException(raised);
    return found;
}

const Entry& claim(const Entry& entry, PyObject* function, const PyMethodDef* definition) {
    const std::optional<std::string> name = name_of(function);
    if (!name)
        return entry;
    const Guarding guarding{entry.domain, entry.own_access, entry.locks_arguments, entry.failure};
    return thunk_pool::entry_of(
        thunk_pool::claim(reinterpret_cast<void*>(entry.function), entry.kind, guarding, *name,
                          thunk_pool::NameOf::site, entry_origins::find(nullptr, definition)));
}

// Guards all(), and is never held while Python code runs. Held across fork: the child would find it
// locked for ever.
std::mutex mutex;

[[maybe_unused]] const int mutex_is_held_across_fork = hold_across_fork<mutex>();

// All that were found out. Never destroyed: calls may be recorded while the process ends.
auto& all() {
    static auto* const known = new std::map<std::pair<const PyMethodDef*, const Entry*>, Known>;
    return *known;
}

const Known* look_up(const Entry& entry, const PyMethodDef* definition) {
    const std::lock_guard lock(mutex);
    const auto found = all().find({definition, &entry});
    return found == all().end() ? nullptr : &found->second;
}

const Known* find(const Entry& entry, PyObject* function, const PyMethodDef* definition) {
    if (const Known* known = look_up(entry, definition))
        return known;
    const Entry& recorded_as = claim(entry, function, definition);
    const std::lock_guard lock(mutex);
    const auto [place, is_new] =
        all().try_emplace({definition, &entry}, Known{definition, &entry, &recorded_as});
    return &place->second;
}

}  // namespace

bool is_type_of_them(std::string_view type_name) {
    return type_name.ends_with("cython_function_or_method") ||
           type_name.ends_with("fused_cython_function");
}

const Entry& recorded_as(const Entry& entry, PyObject* function) {
    const PyMethodDef* const definition =
        reinterpret_cast<const PyCFunctionObject*>(function)->m_ml;
    auto& place =
        known_functions[reinterpret_cast<std::uintptr_t>(definition) / sizeof *definition % places];
    const Known* known = place.load(std::memory_order_acquire);
    if (known != nullptr && known->definition == definition && known->through == &entry)
        return *known->recorded_as;
    try {
        known = find(entry, function, definition);
    } catch (const ThunkPoolExhausted&) {
        return entry;
    } catch (const std::bad_alloc&) {
        return entry;
    }
    place.store(known, std::memory_order_release);
    return *known->recorded_as;
}

}  // namespace pythonnogil::shim::function_objects
