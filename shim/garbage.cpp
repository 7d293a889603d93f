#include "shim/garbage.hpp"

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <new>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "shim/exclusive_hold.hpp"
#include "shim/fork_mutex.hpp"

namespace pythonnogil::shim {

namespace {

// How many references to an object come from other garbage.
using References = std::unordered_map<const PyObject*, Py_ssize_t>;

bool is_garbage(const PyObject* object) {
    return (__atomic_load_n(&object->ob_gc_bits, __ATOMIC_RELAXED) & gc_bit_unreachable) != 0;
}

struct Count {
    const PyObject* asked_for;
    References references;
    bool complete = true;
};

// The collector says of an object that it is finalized just before it calls the finalizer.
bool waits_for_finalizer(const PyObject* object, const Count& count) {
    return is_garbage(object) &&
           (object == count.asked_for || (object->ob_gc_bits & gc_bit_finalized) == 0) &&
           thunk_pool::is_thunk(reinterpret_cast<const void*>(Py_TYPE(object)->tp_finalize));
}

int count_reference(PyObject* referent, void* argument) {
    auto& count = *static_cast<Count*>(argument);
    if (waits_for_finalizer(referent, count))
        ++count.references[referent];
    return 0;
}

// No exception may pass through the collector.
int count_references_of(PyObject* object, void* argument) {
    auto& count = *static_cast<Count*>(argument);
    if (!is_garbage(object))
        return 1;
    try {
        Py_TYPE(object)->tp_traverse(object, count_reference, &count);
    } catch (const std::bad_alloc&) {
        count.complete = false;
    }
    return count.complete ? 1 : 0;
}

// One walk over the heap serves all finalizers of a collection that have to know.
bool find_references(const PyObject* asked_for, References& references) {
    Count count{asked_for, {}};
    PyUnstable_GC_VisitObjects(count_references_of, &count);
    if (count.complete)
        references = std::move(count.references);
    return count.complete;
}

// Nothing when memory is short. An object that has been asked for is taken out, so that none is
// left over for the next collection.
std::optional<Py_ssize_t> references_from_garbage(const PyObject* object) {
    static thread_local References references;
    auto place = references.find(object);
    if (place == references.end()) {
        if (!find_references(object, references))
            return std::nullopt;
        place = references.find(object);
    }
    return place == references.end() ? 0 : references.extract(place).mapped();
}

// The collector has merged the count, and added a reference of its own.
Py_ssize_t references_of_others(const PyObject* object) {
    const Py_ssize_t shared = __atomic_load_n(&object->ob_ref_shared, __ATOMIC_ACQUIRE);
    return (shared >> _Py_REF_SHARED_SHIFT) - 1;
}

// Whether anybody but the collector and other garbage holds a reference. Nobody comes to hold one
// as long as the guard is held. The walk may give it up for a moment, so the count is read after
// it.
bool was_found(const PyObject* object) {
    if (!is_garbage(object) || references_of_others(object) == 0)
        return false;
    const std::optional<Py_ssize_t> from_garbage = references_from_garbage(object);
    return from_garbage && references_of_others(object) > *from_garbage;
}

// Objects that were found, each with a reference.
struct Kept {
    PyObject* object;
    std::int64_t interpreter;
};

std::mutex mutex;  // guards the next variable; held across fork

[[maybe_unused]] const int mutex_is_held_across_fork = hold_across_fork<mutex>();

// Never destroyed: the collector runs while the process ends.
std::vector<Kept>& all_kept() {
    static auto* const instance = new std::vector<Kept>;
    return *instance;
}

std::int64_t this_interpreter() {
    return PyInterpreterState_GetID(PyInterpreterState_Get());
}

// Those of this interpreter that the collector has done with.
std::vector<Kept> take_finished() {
    const std::int64_t interpreter = this_interpreter();
    const std::lock_guard lock(mutex);
    std::vector<Kept>& all = all_kept();
    const auto finished = std::partition(all.begin(), all.end(), [&](const Kept& kept) {
        return kept.interpreter != interpreter || is_garbage(kept.object);
    });
    std::vector<Kept> taken(finished, all.end());
    all.erase(finished, all.end());
    return taken;
}

// Whether there are any left that the collector has not done with.
bool any_kept() {
    const std::int64_t interpreter = this_interpreter();
    const std::lock_guard lock(mutex);
    return std::ranges::any_of(all_kept(),
                               [&](const Kept& kept) { return kept.interpreter == interpreter; });
}

int drop_on_main_thread(void*) {
    drop_found_objects();
    if (any_kept())
        Py_AddPendingCall(drop_on_main_thread, nullptr);
    return 0;
}

// With this reference the collector finds the object alive, and does not clear it. Otherwise
// whoever has found it could drop it again before the collector looks, and another thread find it
// after.
void keep(PyObject* object) {
    {
        const std::lock_guard lock(mutex);
        all_kept().push_back({object, this_interpreter()});
    }
    Py_INCREF(object);
    Py_AddPendingCall(drop_on_main_thread, nullptr);
}

}  // namespace

void finalize_guarded(const Entry& entry, PyObject* object) {
    ExclusiveHold hold(*entry.domain);
    if (was_found(object)) {
        object->ob_gc_bits &= static_cast<std::uint8_t>(~gc_bit_finalized);
        keep(object);
    } else {
        entry.function(reinterpret_cast<std::intptr_t>(object), 0, 0, 0, 0, 0);
    }
    hold.leave();
}

void forget_found_objects() {
    const std::lock_guard lock(mutex);
    all_kept().clear();
}

void drop_found_objects() {
    for (const Kept& kept : take_finished())
        Py_DECREF(kept.object);
}

}  // namespace pythonnogil::shim
