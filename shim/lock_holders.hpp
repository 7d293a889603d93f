// Who holds a lock, and who waits for CPython to take one up again: read from CPython's thread
// states, from outside, while their threads run. What is read may be out of date or gone; it is
// good enough to know whom to interrupt and ask.
//
// Thread-safety: one thread at a time, which need not be one of Python's. Errors: none; what cannot
// be read is left out.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "shim/compat.hpp"

namespace pythonnogil::shim {

// One of CPython's thread states, as it was when it was read.
struct ThreadView {
    pid_t thread;  // the OS thread that it belongs to
    bool is_attached;
    std::uintptr_t sections;  // the tagged pointer to its top-most critical section
};

std::vector<ThreadView> view_threads();

// The same for one, which may be gone.
std::optional<ThreadView> view_thread(const void* thread_state);

// The critical section by which the thread has the mutex locked at this moment, or null.
const void* section_in_force(const ThreadView& thread, const PyMutex* mutex);

// The critical section for whose mutex the thread waits in CPython, or null. While it waits, the
// section is on top, suspended, and CPython keeps its mutexes elsewhere.
const void* section_waited_for(const ThreadView& thread);

}  // namespace pythonnogil::shim
