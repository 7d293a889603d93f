#include "shim/garbage.hpp"

#include <pthread.h>

#include <atomic>
#include <mutex>
#include <new>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "shim/exclusive_hold.hpp"

namespace pythonnogil::shim {

namespace {

// How many references to an object come from other garbage.
using References = std::unordered_map<const PyObject*, Py_ssize_t>;

// Objects whose finalizer the collector meant to run, and which it may go on to clear. One that it
// found alive after all stays in here until its finalizer runs; a new object in its place would be
// spared once.
class PutOff {
  public:
    void add(const PyObject* object) {
        const std::lock_guard lock(mutex_);
        objects_.insert(object);
        count_.store(objects_.size(), std::memory_order_relaxed);
    }

    // Whether it was in here.
    bool remove(const PyObject* object) {
        if (count_.load(std::memory_order_relaxed) == 0) [[likely]]
            return false;
        const std::lock_guard lock(mutex_);
        const bool found = objects_.erase(object) != 0;
        count_.store(objects_.size(), std::memory_order_relaxed);
        return found;
    }

    void lock() { mutex_.lock(); }
    void unlock() { mutex_.unlock(); }

  private:
    std::mutex mutex_;  // never held while Python code runs
    std::unordered_set<const PyObject*> objects_;
    std::atomic<std::size_t> count_{0};
};

// Never destroyed: the collector runs while the process ends.
PutOff& put_off() {
    static auto* const instance = new PutOff;
    return *instance;
}

[[maybe_unused]] const int mutex_is_held_across_fork = ::pthread_atfork(
    [] { put_off().lock(); }, [] { put_off().unlock(); }, [] { put_off().unlock(); });

bool is_garbage(const PyObject* object) {
    return (__atomic_load_n(&object->ob_gc_bits, __ATOMIC_RELAXED) & gc_bit_unreachable) != 0;
}

bool waits_for_finalizer(const PyObject* object) {
    return is_garbage(object) && (object->ob_gc_bits & gc_bit_finalized) == 0 &&
           thunk_pool::is_thunk(reinterpret_cast<const void*>(Py_TYPE(object)->tp_finalize));
}

int count_reference(PyObject* referent, void* references) {
    if (waits_for_finalizer(referent))
        ++(*static_cast<References*>(references))[referent];
    return 0;
}

struct Count {
    References references;
    bool complete = true;
};

// No exception may pass through the collector.
int count_references_of(PyObject* object, void* argument) {
    auto& count = *static_cast<Count*>(argument);
    if (!is_garbage(object))
        return 1;
    try {
        Py_TYPE(object)->tp_traverse(object, count_reference, &count.references);
    } catch (const std::bad_alloc&) {
        count.complete = false;
    }
    return count.complete ? 1 : 0;
}

// One walk over the heap serves all finalizers of a collection that have to know.
bool find_references(References& references) {
    Count count;
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
        if (!find_references(references))
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

}  // namespace

void finalize_guarded(const Entry& entry, PyObject* object) {
    ExclusiveHold hold(*entry.domain);
    put_off().remove(object);
    if (was_found(object)) {
        object->ob_gc_bits &= static_cast<std::uint8_t>(~gc_bit_finalized);
        put_off().add(object);
    } else {
        entry.function(reinterpret_cast<std::intptr_t>(object), 0, 0, 0, 0, 0);
    }
    hold.leave();
}

std::intptr_t clear_guarded(const Entry& entry, PyObject* object) {
    ExclusiveHold hold(*entry.domain);
    const std::intptr_t result =
        put_off().remove(object)
            ? 0
            : entry.function(reinterpret_cast<std::intptr_t>(object), 0, 0, 0, 0, 0);
    hold.leave();
    return result;
}

}  // namespace pythonnogil::shim
