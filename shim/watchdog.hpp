// Says who waits for whom when a thread waits long for a guard: a thread of its own, which is none
// of Python's, looks at the waiting threads a few times within the limit, prints each wait that is
// longer once, and goes on. On a signal it prints all that is held and waited for.
//
// What it knows. A thread that really has to wait puts itself on a list; who does not wait, pays
// nothing. Waits for a section that CPython takes up again, when a thread attaches, are seen from
// outside: the thread has used no processor time since it was seen waiting first. Holders write
// nothing down: they are found by the critical sections in CPython's thread states, and what they
// do by interrupting them (thread_capture.hpp).
//
// Thread-safety: any thread, but for start(), stop() and restart_in_child(), which Python calls.
// One mutex, for the list of waiters; it is never held while anything is looked up or printed.
// Errors: none. What cannot be found out is said in the text.
// fork: the child has no such thread until restart_in_child().
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "shim/domain.hpp"

namespace pythonnogil::shim::watchdog {

struct Settings {
    std::int64_t limit_ns;  // 0: print nothing but on the signal
    int state_signal;       // 0: none
    int capture_signal;
    int python_stacks;  // see thread_capture.hpp
    // The name of the module that was imported from a file; empty when there is none.
    std::string (*module_of)(const std::string& file);
};

void start(const Settings& settings);

// After a fork, with a file of the child's own, or -1. Does nothing where none was started.
void restart_in_child(int python_stacks);

// Before Python ends. When it is called again, only the signal is ignored once more, in case that
// somebody has put another handler in.
void stop();

enum class Goal : std::uint8_t {
    lock,        // to have a mutex
    no_readers,  // has the mutex, and waits for readers to go
};

// What a thread waits for. The pointers are compared and never followed, but for the domain.
class Waiting {
  public:
    pid_t thread;
    std::int64_t since;  // nanoseconds of the monotonic clock
    Domain* domain;
    const PyMutex* mutex;
    const PyMutex* second;  // of a locked argument, or null
    Goal goal;

    // Whether who holds the one keeps the other waiting, too.
    bool shares_a_lock(const Waiting& other) const {
        return waits_for(other.mutex) || waits_for(other.second);
    }

  private:
    bool waits_for(const PyMutex* lock) const {
        return lock != nullptr && (lock == mutex || lock == second);
    }
};

extern std::atomic<bool> is_on;

// A wait for a guard, for the length of a scope on the stack of the thread that waits.
class Wait {
  public:
    Wait(Domain& domain, const PyMutex* mutex, const PyMutex* second, Goal goal = Goal::lock) {
        if (is_on.load(std::memory_order_relaxed)) [[unlikely]]
            begin(domain, mutex, second, goal);
    }
    ~Wait() {
        if (is_listed_) [[unlikely]]
            end();
    }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

  private:
    friend struct WaitList;

    void begin(Domain& domain, const PyMutex* mutex, const PyMutex* second, Goal goal);
    void end();

    bool is_listed_ = false;
    bool is_reported_ = false;
    Waiting waiting_;
    Wait* previous_;
    Wait* next_;
};

}  // namespace pythonnogil::shim::watchdog
