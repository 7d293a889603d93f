#include "shim/quarantine.hpp"

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

namespace pythonnogil::shim::quarantine {

namespace {

// A stop of the world costs some ten microseconds with idle threads; shared among this many objects
// it is lost in the cost of freeing them.
constexpr std::size_t due_at = 1024;

// A count that a late take_back() cannot mistake for zero, and that no late drop brings down to
// zero.
constexpr Py_ssize_t dead = (shared_count_one << 40) | shared_merged;

struct Block {
    void* memory;
    PyTypeObject* type;  // kept alive: a late thread reads tp_dealloc through the dead object
};

struct Held {
    std::mutex mutex;
    std::vector<Block> blocks;
    std::atomic<std::size_t> size{0};
};

// Never destroyed: objects die while the process ends.
Held& held() {
    static auto* const instance = new Held;
    return *instance;
}

thread_local const Scope* innermost = nullptr;

bool is_held_back(const void* object) {
    for (const Scope* scope = innermost; scope != nullptr; scope = scope->outer()) {
        if (scope->object() == object)
            return true;
    }
    return false;
}

void hold_back(PyObject* object, void* memory) {
    __atomic_store_n(&object->ob_tid, 0, __ATOMIC_RELAXED);
    object->ob_ref_local = 0;
    __atomic_store_n(&object->ob_ref_shared, dead, __ATOMIC_RELEASE);
    PyTypeObject* type = Py_TYPE(object);
    Py_INCREF(type);
    const std::lock_guard lock(held().mutex);
    held().blocks.push_back({memory, type});
    held().size.store(held().blocks.size(), std::memory_order_relaxed);
}

// Room in front of objects whose type keeps their dict or weak references there. Source:
// _PyType_PreHeaderSize.
std::size_t preheader_size(const PyTypeObject* type) {
    constexpr unsigned long preheader = Py_TPFLAGS_MANAGED_DICT | Py_TPFLAGS_MANAGED_WEAKREF;
    return (type->tp_flags & preheader) != 0 ? 2 * sizeof(PyObject*) : 0;
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

bool is_due() {
    return held().size.load(std::memory_order_relaxed) >= due_at;
}

void sweep() {
    std::vector<Block> blocks;
    {
        const std::lock_guard lock(held().mutex);
        blocks.swap(held().blocks);
        held().size.store(0, std::memory_order_relaxed);
    }
    // The only public function that stops the world and does nothing else; the visit ends at the
    // first object.
    PyUnstable_GC_VisitObjects(visit_nothing, nullptr);
    for (const Block& block : blocks) {
        PyObject_Free(block.memory);
        Py_DECREF(block.type);
    }
}

}  // namespace pythonnogil::shim::quarantine
