// Writes down when each thread waited for a guard, held it, and when the GIL was leased.
//
// Each thread collects its events in memory of its own and writes them when that is full, when it
// ends, or when the trace does. So memory is bounded by the number of threads, the file by a limit.
//
// Thread-safety: any thread; one mutex, never held while Python code runs. Errors: start() throws
// std::system_error. When the file can not be written later, a warning says so, once, and the trace
// ends. fork: the child writes a file of its own.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim::trace {

enum class Kind : std::uint8_t { wait, hold, lease };

inline constexpr std::uint64_t default_limit = std::uint64_t{512} << 20;

// Read at the beginning of each call that is recorded.
inline constinit std::atomic<bool> on{false};
inline bool is_on() {
    return on.load(std::memory_order_relaxed);
}

// Recording has to be on, or there is nothing to write. False, and nothing done, when there is a
// trace already.
bool start(const std::string& name, std::uint64_t limit);

// Writes what there is and ends the file.
void stop();

// What people call a thread, by the number that the kernel gives it.
void name_thread(pid_t thread, const std::string& name);

// Of this thread. Does nothing when there is no trace. Null where no function is concerned.
void add(Kind kind, const Entry* entry, std::uint64_t begin, std::uint64_t end);

// One lease of the GIL, for the length of a scope.
class Lease {
  public:
    Lease();
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

  private:
    std::uint64_t begin_;
};

}  // namespace pythonnogil::shim::trace
