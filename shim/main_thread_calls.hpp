// Calls that other threads have the main thread run for them, for libraries that may be used on one
// thread only.
//
// The main thread serves wherever it would handle a signal: between two bytecodes, and while it
// waits in a lock, a join, time.sleep, select, a socket. To get it out of a system call it is sent
// SIGURG, which the kernel ignores by default; the handler has no SA_RESTART. An application's own
// Python handler for SIGURG stays in use: it is called after ours, also for our signals. One that
// was installed by native code is left alone, and then the main thread serves between bytecodes
// only.
//
// Thread-safety: all functions may be called from any thread, attached. The caller waits detached,
// so it holds no guard meanwhile. A call that is served while the main thread is in the middle of
// another one, in its Python code, runs nested. Errors: no value, with a RuntimeError set, when the
// main thread did not serve for the length of the limit, in which case the call never runs later;
// when the interpreter is ending; in a subinterpreter. Python and C++ exceptions of the function
// are the caller's; a KeyboardInterrupt is the main thread's as well.
//
// fork: the thread that forks is the main thread of the child.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include "shim/compat.hpp"

namespace pythonnogil::shim::main_thread_calls {

// What every function in a table of CPython's fits into; a thunk, too.
using Function = std::intptr_t (*)(std::intptr_t, std::intptr_t, std::intptr_t, std::intptr_t,
                                   std::intptr_t, std::intptr_t);
using Arguments = std::array<std::intptr_t, 6>;

inline constexpr std::chrono::milliseconds default_limit{10'000};

// Before the first call; may be repeated. On the main thread, it is ready afterwards. On another
// one, the main thread gets ready at its next opportunity, which time.sleep and system calls do not
// give. False with an exception set when it failed.
bool configure();

bool on_main_thread();

// How long the main thread may show no sign of serving.
void set_limit(std::chrono::milliseconds limit);

// Runs the function on the main thread: straight when that is the caller.
std::optional<std::intptr_t> run(Function function, const Arguments& arguments);

}  // namespace pythonnogil::shim::main_thread_calls
