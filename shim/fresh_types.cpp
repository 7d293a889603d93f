#include "shim/fresh_types.hpp"

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "shim/exclusive_hold.hpp"
#include "shim/guarded_tables.hpp"
#include "shim/log.hpp"

namespace pythonnogil::shim::fresh_types {

namespace {

// On the heap, and null when there are none, so that the thread's end has nothing to destroy.
thread_local std::vector<TypeSnapshot>* fresh = nullptr;

void guard_changes(const TypeSnapshot& snapshot) {
    try {
        snapshot.guard_changes();
    } catch (const std::exception& error) {
        log_warning(std::string("type ") + snapshot.type()->tp_name +
                    " keeps slots that are not guarded: " + error.what());
    }
}

}  // namespace

void remember(PyTypeObject* type) {
    if (thread_record.innermost == nullptr)
        return;
    if (fresh == nullptr)
        fresh = new std::vector<TypeSnapshot>;
    fresh->emplace_back(type);
    Py_INCREF(type);
    thread_record.has_fresh_types = true;
}

void finish() {
    thread_record.has_fresh_types = false;
    const std::vector<TypeSnapshot>* const finished = std::exchange(fresh, nullptr);
    for (const TypeSnapshot& snapshot : *finished) {
        guard_changes(snapshot);
        Py_DECREF(snapshot.type());
    }
    delete finished;
}

}  // namespace pythonnogil::shim::fresh_types
