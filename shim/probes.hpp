// Static probes (USDT) for perf, bpftrace and SystemTap, of the provider pythonnogil. They come
// with calls that are recorded:
//   hold_begin(function, module)      a call comes to its guard
//   hold_end(function, module, ns)    it leaves it, after that long a hold
//   wait_begin(function, module)      it has to wait
//   wait_end(function, module, ns)    it has waited that long
// Each is one no-operation, and its semaphore is looked at first: a program that nobody watches
// does not even collect the arguments.
//
// They need the header sys/sdt.h when this is compiled; without it there are none.
// Thread-safety: any thread. Errors: none.
#pragma once

#include <cstdint>

#include "shim/thunk_pool.hpp"

#if __has_include(<sys/sdt.h>)
#define PYTHONNOGIL_HAS_PROBES 1
#endif

namespace pythonnogil::shim::probes {

#ifdef PYTHONNOGIL_HAS_PROBES

// The four semaphores, side by side; whoever watches a probe counts its semaphore up.
extern "C" const volatile std::uint64_t pythonnogil_semaphores
    __attribute__((visibility("hidden")));

inline bool are_watched() {
    return pythonnogil_semaphores != 0;
}

void hold_begin(const Entry& entry);
void hold_end(const Entry& entry, std::uint64_t ns);
void wait_begin(const Entry& entry);
void wait_end(const Entry& entry, std::uint64_t ns);

#else

constexpr bool are_watched() {
    return false;
}
inline void hold_begin(const Entry&) {}
inline void hold_end(const Entry&, std::uint64_t) {}
inline void wait_begin(const Entry&) {}
inline void wait_end(const Entry&, std::uint64_t) {}

#endif

}  // namespace pythonnogil::shim::probes
