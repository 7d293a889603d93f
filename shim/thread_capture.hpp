// What another thread is doing at this moment: its native stack, the guarded functions on it, and
// its Python stack. The thread is interrupted by a signal and writes it down itself, so nothing
// that is read can change meanwhile, and the thread may be anywhere but where it blocks signals.
//
// The Python stack is written by CPython's own faulthandler: Python registers it for the same
// signal first, with a file in memory to write to, and our handler calls the one that it finds.
//
// Thread-safety: capture() is for one thread, the watchdog's. Errors: see capture().
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "shim/exclusive_hold.hpp"
#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim::thread_capture {

// Elsewhere the thunks leave no trace on the stack.
#ifdef __x86_64__
inline constexpr bool sees_entries = true;
#else
inline constexpr bool sees_entries = false;
#endif

// A guarded function that the thread is inside of, or waits to enter.
struct EntryOnStack {
    const Entry* entry;
    std::uintptr_t frame;  // what the function has on the stack lies below
};

struct Captured {
    std::string failure;               // why there is nothing; else empty
    std::vector<std::uintptr_t> code;  // return addresses, the innermost first
    std::vector<EntryOnStack> entries;
    std::string python;  // empty when the thread has no Python stack
    // The lock that `section` of the question belongs to, if it is one of ours.
    ExclusiveHold::Lock lock;
};

// A real-time signal that nobody has a handler for, or -1.
int free_signal();

// Puts our handler in front of the one that is installed for this signal. `python_stacks` is the
// file that the latter writes to.
void install(int signal, int python_stacks);

// The signal is ignored from now on: one that is still under way must not end the process.
void uninstall();

// Asks the thread, and waits a second for the answer.
Captured capture(pid_t thread, const void* section);

}  // namespace pythonnogil::shim::thread_capture
