#include "shim/ticks.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>

namespace pythonnogil::shim::ticks {

namespace {

#if defined(__x86_64__)

constexpr std::int64_t calibration_ns = 2'000'000;
constexpr int tries = 4;

struct Moment {
    std::int64_t ns;
    std::uint64_t ticks;
};

bool counter_is_invariant() {
    constexpr unsigned leaf = 0x80000007;
    constexpr unsigned invariant = 1U << 8;
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    return __get_cpuid(leaf, &a, &b, &c, &d) != 0 && (d & invariant) != 0;
}

// Both clocks at the same moment: of some readings, the one in which least time passed between
// them, since the thread may be interrupted there.
Moment this_moment() {
    Moment best{};
    std::uint64_t shortest = UINT64_MAX;
    for (int i = 0; i < tries; ++i) {
        const std::uint64_t before = read_counter();
        const std::int64_t ns = monotonic_ns();
        const std::uint64_t after = read_counter();
        if (between(before, after) < shortest) {
            shortest = between(before, after);
            best = {ns, before + shortest / 2};
        }
    }
    return best;
}

double ns_per_tick() {
    const Moment begin = this_moment();
    while (monotonic_ns() - begin.ns < calibration_ns) {
    }
    const Moment end = this_moment();
    const std::uint64_t ticks = std::max<std::uint64_t>(1, between(begin.ticks, end.ticks));
    return static_cast<double>(end.ns - begin.ns) / static_cast<double>(ticks);
}

#else

bool counter_is_invariant() {
    return true;
}

double ns_per_tick() {
    std::uint64_t frequency;
    asm("mrs %0, cntfrq_el0" : "=r"(frequency));
    return 1e9 / static_cast<double>(frequency);
}

#endif

}  // namespace

void calibrate() {
    if (scale.has_counter.load(std::memory_order_relaxed) || !counter_is_invariant())
        return;
    constexpr double one = 4294967296.0;
    scale.multiplier.store(static_cast<std::uint64_t>(ns_per_tick() * one),
                           std::memory_order_relaxed);
    scale.has_counter.store(true, std::memory_order_relaxed);
}

}  // namespace pythonnogil::shim::ticks
