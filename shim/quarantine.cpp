#include "shim/quarantine.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "shim/garbage.hpp"

namespace pythonnogil::shim::quarantine {

namespace {

// A count that a late take_back() cannot mistake for zero, and that no late drop brings down to
// zero.
constexpr Py_ssize_t dead = (shared_count_one << 40) | shared_merged;

struct Block {
    void* memory;
    std::int64_t interpreter;
};

struct Held {
    std::mutex mutex;
    std::vector<Block> blocks;
};

// Never destroyed: objects die while the process ends.
Held& held() {
    static auto* const instance = new Held;
    return *instance;
}

thread_local constinit const Scope* innermost __attribute__((tls_model("initial-exec"))) = nullptr;

std::int64_t this_interpreter() {
    return PyInterpreterState_GetID(PyInterpreterState_Get());
}

// The type stays where a late thread reads it, without a reference, which a program could see:
// types are freed by the collector alone, and it stops the world first.
void hold_back(PyObject* object, void* memory) {
    __atomic_store_n(&object->ob_tid, 0, __ATOMIC_RELAXED);
    object->ob_ref_local = 0;
    __atomic_store_n(&object->ob_ref_shared, dead, __ATOMIC_RELEASE);
    const std::int64_t interpreter = this_interpreter();
    const std::lock_guard lock(held().mutex);
    held().blocks.push_back({memory, interpreter});
    added_since_sweep.fetch_add(1, std::memory_order_relaxed);
}

// Room in front of objects whose type keeps their dict or weak references there. Source:
// _PyType_PreHeaderSize.
std::size_t preheader_size(const PyTypeObject* type) {
    constexpr unsigned long preheader = Py_TPFLAGS_MANAGED_DICT | Py_TPFLAGS_MANAGED_WEAKREF;
    return (type->tp_flags & preheader) != 0 ? 2 * sizeof(PyObject*) : 0;
}

// Memory and types of one interpreter are no business of the others.
std::vector<Block> take_those_of(std::int64_t interpreter) {
    const std::lock_guard lock(held().mutex);
    std::vector<Block>& all = held().blocks;
    const auto others = std::partition(all.begin(), all.end(), [&](const Block& block) {
        return block.interpreter != interpreter;
    });
    std::vector<Block> taken(others, all.end());
    all.erase(others, all.end());
    added_since_sweep.store(0, std::memory_order_relaxed);
    return taken;
}

int visit_nothing(PyObject*, void*) {
    return 0;
}

}  // namespace

Scope::Scope(PyObject* object) : object_(object), outer_(innermost) {
    innermost = this;
}

Scope::~Scope() {
    innermost = outer_;
}

bool is_held_back(const void* object) {
    for (const Scope* scope = innermost; scope != nullptr; scope = scope->outer()) {
        if (scope->object() == object)
            return true;
    }
    return false;
}

void free_object(void* object) {
    if (object != nullptr && is_held_back(object))
        hold_back(static_cast<PyObject*>(object), object);
    else
        PyObject_Free(object);
}

void free_collected_object(void* object) {
    if (!is_held_back(object)) {
        PyObject_GC_Del(object);
        return;
    }
    auto* dying = static_cast<PyObject*>(object);
    PyObject_GC_UnTrack(dying);
    hold_back(dying, static_cast<char*>(object) - preheader_size(Py_TYPE(dying)));
}

void sweep() {
    drop_found_objects();
    const std::vector<Block> blocks = take_those_of(this_interpreter());
    // The only public function that stops the world and does nothing else; the visit ends at the
    // first object.
    PyUnstable_GC_VisitObjects(visit_nothing, nullptr);
    for (const Block& block : blocks)
        PyObject_Free(block.memory);
}

void forget() {
    forget_found_objects();
    const std::lock_guard lock(held().mutex);
    held().blocks.clear();
}

}  // namespace pythonnogil::shim::quarantine
