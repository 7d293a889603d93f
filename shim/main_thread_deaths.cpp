#include "shim/main_thread_deaths.hpp"

#include <pthread.h>

#include <mutex>
#include <utility>
#include <vector>

namespace pythonnogil::shim::main_thread_deaths {

namespace {

struct Waiting {
    std::mutex mutex;  // guards the two members below
    std::vector<PyObject*> objects;
    bool announced = false;  // a pending call will come
};

void before_fork();
void after_fork();

// Never destroyed: objects die while the process ends.
Waiting& waiting() {
    static auto* const instance = new Waiting;
    static const int registered = pthread_atfork(before_fork, after_fork, after_fork);
    (void)registered;
    return *instance;
}

void before_fork() {
    waiting().mutex.lock();
}

void after_fork() {
    waiting().mutex.unlock();
}

int drop_all(void*) {
    std::vector<PyObject*> objects;
    {
        const std::lock_guard lock(waiting().mutex);
        objects = std::exchange(waiting().objects, {});
        waiting().announced = false;
    }
    for (PyObject* object : objects)
        Py_DECREF(object);
    return 0;
}

}  // namespace

// When CPython's queue of pending calls is full, the next object tries again.
void add(PyObject* object) {
    const std::lock_guard lock(waiting().mutex);
    waiting().objects.push_back(object);
    if (!waiting().announced)
        waiting().announced = Py_AddPendingCall(drop_all, nullptr) == 0;
}

}  // namespace pythonnogil::shim::main_thread_deaths
