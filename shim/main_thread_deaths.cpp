#include "shim/main_thread_deaths.hpp"

#include <mutex>
#include <utility>
#include <vector>

#include "shim/fork_mutex.hpp"

namespace pythonnogil::shim::main_thread_deaths {

namespace {

// Guards the two variables below. Held across fork: the child would find it locked for ever.
std::mutex mutex;

[[maybe_unused]] const int mutex_is_held_across_fork = hold_across_fork<mutex>();

bool announced = false;  // a pending call will come

// Never destroyed: objects die while the process ends.
std::vector<PyObject*>& waiting() {
    static auto* const instance = new std::vector<PyObject*>;
    return *instance;
}

int drop_all(void*) {
    std::vector<PyObject*> objects;
    {
        const std::lock_guard lock(mutex);
        objects = std::exchange(waiting(), {});
        announced = false;
    }
    for (PyObject* object : objects)
        Py_DECREF(object);
    return 0;
}

}  // namespace

// When CPython's queue of pending calls is full, the next object tries again.
void add(PyObject* object) {
    const std::lock_guard lock(mutex);
    waiting().push_back(object);
    if (!announced)
        announced = Py_AddPendingCall(drop_all, nullptr) == 0;
}

}  // namespace pythonnogil::shim::main_thread_deaths
