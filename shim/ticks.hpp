// A clock that is cheap enough to be read twice in every call: the processor's counter, where it
// runs at a constant rate on all processors, else the monotonic clock of the system.
//
// Thread-safety: calibrate() once, before the others; then any thread. Errors: none.
//
// Sources: Intel SDM volume 3, "Invariant TSC" (CPUID 80000007H, EDX bit 8; AMD has the same bit);
// Arm ARM, CNTVCT_EL0 and CNTFRQ_EL0.
#pragma once

#include <time.h>

#include <atomic>
#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace pythonnogil::shim::ticks {

inline std::int64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

// Nanoseconds for each tick, times 2**32; with the counter or, if that will not do, the clock.
struct Scale {
    std::atomic<std::uint64_t> multiplier{std::uint64_t{1} << 32};
    std::atomic<bool> has_counter{false};
};
inline constinit Scale scale;

// Takes some milliseconds on x86-64, whose counter does not tell its rate.
void calibrate();

inline std::uint64_t read_counter() {
#if defined(__x86_64__)
    return __rdtsc();
#else
    std::uint64_t count;
    asm volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
#endif
}

inline std::uint64_t now() {
    if (scale.has_counter.load(std::memory_order_relaxed)) [[likely]]
        return read_counter();
    return static_cast<std::uint64_t>(monotonic_ns());
}

inline std::uint64_t to_ns(std::uint64_t ticks) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>(
        (static_cast<Wide>(ticks) * scale.multiplier.load(std::memory_order_relaxed)) >> 32);
}

inline double to_seconds(double ticks) {
    constexpr double one = 4294967296.0;
    return ticks * (static_cast<double>(scale.multiplier.load(std::memory_order_relaxed)) / one) /
           1e9;
}

// A thread may be moved to a processor whose counter is a little behind.
inline std::uint64_t between(std::uint64_t begin, std::uint64_t end) {
    return end > begin ? end - begin : 0;
}

}  // namespace pythonnogil::shim::ticks
