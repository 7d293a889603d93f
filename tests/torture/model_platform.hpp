// The platform on which the explorer runs the lock, and broken ones that it must find out.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <type_traits>

#include "explorer.hpp"
#include "pythonnogil/lock_platform.hpp"

namespace pythonnogil::model {

// Read-modify-writes in one step; a broken one lets others come in the middle.
struct WholeUpdates {
    static void in_the_middle() {}
};
struct TornUpdates {
    static void in_the_middle() { Explorer::active()->step(); }
};

template <class T, class Updates = WholeUpdates>
class Atomic {
  public:
    constexpr Atomic() = default;
    constexpr Atomic(T value) : cell_{to_bits(value)} {}  // NOLINT: as std::atomic
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    T load(std::memory_order = std::memory_order_seq_cst) const {
        return Explorer::active() == nullptr ? from_bits(cell_.bits)
                                             : from_bits(Explorer::active()->load(cell_));
    }

    void store(T value, std::memory_order order = std::memory_order_seq_cst) {
        if (Explorer::active() == nullptr)
            cell_.bits = to_bits(value);
        else
            Explorer::active()->store(cell_, to_bits(value), order == std::memory_order_seq_cst);
    }

    T exchange(T value, std::memory_order = std::memory_order_seq_cst) {
        return update([value](T) { return value; });
    }

    T fetch_add(T value, std::memory_order = std::memory_order_seq_cst) {
        return update([value](T old) { return old + value; });
    }
    T fetch_or(T value, std::memory_order = std::memory_order_seq_cst) {
        return update([value](T old) { return old | value; });
    }
    T fetch_and(T value, std::memory_order = std::memory_order_seq_cst) {
        return update([value](T old) { return old & value; });
    }

    bool compare_exchange_strong(T& expected, T value,
                                 std::memory_order = std::memory_order_seq_cst,
                                 std::memory_order = std::memory_order_seq_cst) {
        const T wanted = expected;
        expected = update([&](T old) { return old == wanted ? value : old; });
        return expected == wanted;
    }

    Cell& cell() { return cell_; }

  private:
    template <class Change>
    T update(Change change) {
        if (Explorer::active() != nullptr)
            Explorer::active()->begin_update(cell_);
        const T old = from_bits(cell_.bits);
        if (Explorer::active() == nullptr) {
            cell_.bits = to_bits(change(old));
            return old;
        }
        Updates::in_the_middle();
        if (const std::uint64_t bits = to_bits(change(old)); bits != to_bits(old))
            Explorer::active()->update(cell_, bits);
        return old;
    }

    static constexpr std::uint64_t to_bits(T value) {
        if constexpr (std::is_pointer_v<T>)
            return value == nullptr ? 0 : reinterpret_cast<std::uint64_t>(value);
        else
            return value;
    }
    static T from_bits(std::uint64_t bits) {
        if constexpr (std::is_pointer_v<T>)
            return reinterpret_cast<T>(bits);
        else
            return static_cast<T>(bits);
    }

    Cell cell_;
};

// `prompt`: the mutex goes straight to whoever waits, and readers get their fast path back at once.
// Otherwise neither ever happens. What lies between is a mix of both.
template <bool prompt>
struct Platform {
    template <class T>
    using Atomic = model::Atomic<T>;

    static constexpr std::memory_order publish = std::memory_order_release;
    static constexpr std::memory_order observe = std::memory_order_acquire;
    static constexpr int spins = 0;
    static constexpr LockTime hand_off_after = prompt ? 0 : 1'000'000'000;
    static constexpr LockTime inhibition_factor = prompt ? 0 : 1'000'000'000;

    static void light_barrier() {}
    static void heavy_barrier() { Explorer::active()->membarrier(); }
    static LockTime now() { return ++clock; }
    static void pause() { Explorer::active()->pause(); }
    static void yield() { Explorer::active()->pause(); }

    template <class Word>
    static void wait(Word& word, std::uint32_t expected, LockTime deadline) {
        if (!Explorer::active()->wait(word.cell(), expected, deadline != no_deadline))
            clock = std::max(clock, deadline);
    }
    template <class Word>
    static void wake_all(Word& word) {
        Explorer::active()->wake_all(word.cell());
    }

    static void*& thread_record() {
        Explorer* explorer = Explorer::active();
        return explorer != nullptr && explorer->in_thread() ? explorer->thread_record()
                                                            : outside_record;
    }
    template <void (*)(void*)>
    static void at_thread_exit(void*) {}

    static inline LockTime clock = 0;
    static inline void* outside_record = nullptr;
};

// --- broken platforms ---

template <bool prompt>
struct MissingBarrier : Platform<prompt> {
    static void heavy_barrier() {}
};

// Sleeps without comparing, so a wake-up between the look and the sleep is lost.
template <bool prompt>
struct LostWakeUp : Platform<prompt> {
    template <class Word>
    static void wait(Word& word, std::uint32_t, LockTime) {
        Explorer::active()->wait_for_wake(word.cell());
    }
};

template <bool prompt>
struct NoWakeUp : Platform<prompt> {
    template <class Word>
    static void wake_all(Word&) {}
};

template <bool prompt>
struct TornAtomics : Platform<prompt> {
    template <class T>
    using Atomic = model::Atomic<T, TornUpdates>;
};

}  // namespace pythonnogil::model
