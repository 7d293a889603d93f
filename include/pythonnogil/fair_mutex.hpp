// A mutex with a queue, for the exclusive side of the lock. Whoever is running may take it when it
// is free, but a waiter that has waited for Platform::hand_off_after gets it directly. Readers may
// wait in the same queue for the moment when they get in without the mutex.
//
// | member                  | protected by                                                     |
// |-------------------------|------------------------------------------------------------------|
// | state_, bit `locked`    | compare-and-swap                                                 |
// | state_, bit `waiters`   | changed under queue_lock_: set exactly while the queue has one   |
// | first_, last_, Waiters  | queue_lock_; a Waiter lives on its thread's stack                |
// | Waiter::signal          | written under queue_lock_; its thread sleeps on it               |
// | next_hand_off_          | queue_lock_                                                      |
// | queue_lock_             | a spin lock, held for a few instructions, never while sleeping   |
//
// No wake-up is lost because of one word: release() frees the mutex only by a compare-and-swap from
// `locked` with no waiters, and a waiter is in the queue, with its bit set, before it looks whether
// the mutex is free. So either release() fails and goes by the queue, or the waiter finds the mutex
// free. While the mutex is free and the queue is not empty, the first waiter has been woken.
//
// Thread-safety: any thread; not recursive. Errors: none.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "pythonnogil/lock_platform.hpp"

namespace pythonnogil {

template <class Platform>
class FairMutex {
  public:
    enum class Outcome : std::uint8_t { acquired, admitted, timed_out };

    FairMutex() = default;
    FairMutex(const FairMutex&) = delete;
    FairMutex& operator=(const FairMutex&) = delete;

    // Only if it is free and nobody waits: one compare-and-swap.
    bool try_acquire_uncontended() {
        std::uint32_t unlocked = 0;
        return state_.compare_exchange_strong(unlocked, locked, std::memory_order_acquire,
                                              std::memory_order_relaxed);
    }

    bool try_acquire() {
        std::uint32_t state = state_.load(std::memory_order_relaxed);
        while ((state & locked) == 0) {
            if (state_.compare_exchange_strong(state, state | locked, std::memory_order_seq_cst))
                return true;
        }
        return false;
    }

    bool acquire(LockTime deadline) {
        return wait_in_queue(deadline, false, [] { return false; }) == Outcome::acquired;
    }

    // For a reader: ends also when `admit()` says that it is in without the mutex. `admit` is
    // called with the queue locked.
    template <class Admit>
    Outcome acquire_or(Admit admit, LockTime deadline) {
        return wait_in_queue(deadline, true, admit);
    }

    void release() {
        std::uint32_t state = locked;
        if (!state_.compare_exchange_strong(state, 0, std::memory_order_release,
                                            std::memory_order_relaxed)) [[unlikely]]
            release_to_waiters();
    }

    // For the owner, when readers can get in without the mutex from now on.
    void wake_readers() {
        if (!has_waiters())
            return;
        WakeList wake;
        lock_queue();
        mark_readers(wake);
        unlock_queue();
        wake.wake();
    }

    bool has_waiters() const { return (state_.load(std::memory_order_seq_cst) & waiters) != 0; }

  private:
    template <class T>
    using Atomic = typename Platform::template Atomic<T>;

    static constexpr std::uint32_t locked = 1;
    static constexpr std::uint32_t waiters = 2;
    enum Signal : std::uint32_t { asleep, woken, handed };

    struct Waiter {
        Atomic<std::uint32_t> signal{asleep};
        bool reader;
        LockTime since;
        Waiter* next = nullptr;
        Waiter* previous = nullptr;
    };

    // Collected under the queue lock, woken after it. The waiters may be gone by then: waking an
    // address where nobody sleeps does nothing, and one that wakes up for no reason looks again.
    struct WakeList {
        std::array<Atomic<std::uint32_t>*, 8> signals{};
        std::size_t count = 0;

        void add(Waiter& waiter, Signal signal) {
            if (waiter.signal.load(std::memory_order_relaxed) != asleep)
                return;
            waiter.signal.store(signal, std::memory_order_release);
            signals[count++] = &waiter.signal;
        }
        bool full() const { return count == signals.size(); }
        void wake() {
            for (std::size_t index = 0; index < count; ++index)
                Platform::wake_all(*signals[index]);
        }
    };

    template <class Admit>
    Outcome wait_in_queue(LockTime deadline, bool reader, Admit admit) {
        for (int spin = 0; spin < Platform::spins; ++spin) {
            if (try_acquire())
                return Outcome::acquired;
            if (reader && admit())
                return Outcome::admitted;
            Platform::pause();
        }
        Waiter self{.reader = reader, .since = Platform::now()};
        lock_queue();
        enqueue(self);
        for (;;) {
            if (Outcome outcome{}; attempt(self, admit, outcome))
                return outcome;
            Platform::wait(self.signal, asleep, deadline);
            const bool late = deadline != no_deadline && Platform::now() >= deadline;
            if (self.signal.load(std::memory_order_acquire) == handed)
                return Outcome::acquired;
            lock_queue();
            if (late)
                return give_up(self);
        }
    }

    // Begins with the queue locked, and ends with it unlocked.
    template <class Admit>
    bool attempt(Waiter& self, Admit& admit, Outcome& outcome) {
        if (self.signal.load(std::memory_order_relaxed) == handed) {
            outcome = Outcome::acquired;
            unlock_queue();
            return true;
        }
        self.signal.store(asleep, std::memory_order_relaxed);
        if (try_acquire()) {
            outcome = Outcome::acquired;
            dequeue(self);
            unlock_queue();
            return true;
        }
        if (self.reader && admit()) {
            outcome = Outcome::admitted;
            leave_queue(self, true);
            return true;
        }
        unlock_queue();
        return false;
    }

    Outcome give_up(Waiter& self) {
        if (self.signal.load(std::memory_order_relaxed) == handed) {
            unlock_queue();
            return Outcome::acquired;
        }
        leave_queue(self, self.reader && self.signal.load(std::memory_order_relaxed) == woken);
        return Outcome::timed_out;
    }

    // A waiter that goes without the mutex may have been the one that was woken for it, and must
    // pass that on. Begins with the queue locked, and ends with it unlocked.
    void leave_queue(Waiter& self, bool readers_get_in) {
        WakeList wake;
        dequeue(self);
        if ((state_.load(std::memory_order_relaxed) & locked) == 0)
            mark_next(wake);
        if (readers_get_in)
            mark_readers(wake);
        unlock_queue();
        wake.wake();
    }

    [[gnu::noinline]] void release_to_waiters() {
        WakeList wake;
        const LockTime now = Platform::now();
        lock_queue();
        Waiter* next = first_;
        if (next != nullptr && now >= next_hand_off_ &&
            now - next->since >= Platform::hand_off_after) {
            next_hand_off_ = now + Platform::hand_off_after;
            dequeue(*next);
            hand_to(*next, wake);
        } else {
            state_.fetch_and(~locked, std::memory_order_seq_cst);
            mark_next(wake);
        }
        unlock_queue();
        wake.wake();
    }

    // The bit `locked` stays: nobody can come between.
    static void hand_to(Waiter& next, WakeList& wake) {
        const bool sleeps = next.signal.load(std::memory_order_relaxed) == asleep;
        auto* signal = &next.signal;
        next.signal.store(handed, std::memory_order_release);
        if (sleeps)
            wake.signals[wake.count++] = signal;
    }

    // The first waiter, and when that is a reader those behind it too.
    void mark_next(WakeList& wake) {
        for (Waiter* waiter = first_; waiter != nullptr && !wake.full(); waiter = waiter->next) {
            wake.add(*waiter, woken);
            if (!waiter->reader)
                break;
        }
    }

    void mark_readers(WakeList& wake) {
        for (Waiter* waiter = first_; waiter != nullptr && !wake.full(); waiter = waiter->next) {
            if (waiter->reader)
                wake.add(*waiter, woken);
        }
    }

    void enqueue(Waiter& self) {
        self.previous = last_;
        (last_ == nullptr ? first_ : last_->next) = &self;
        last_ = &self;
        if (self.previous == nullptr)
            state_.fetch_or(waiters, std::memory_order_seq_cst);
    }

    void dequeue(Waiter& self) {
        (self.previous == nullptr ? first_ : self.previous->next) = self.next;
        (self.next == nullptr ? last_ : self.next->previous) = self.previous;
        if (first_ == nullptr)
            state_.fetch_and(~waiters, std::memory_order_seq_cst);
    }

    void lock_queue() {
        for (int spin = 1; queue_lock_.exchange(1, std::memory_order_acquire) != 0; ++spin) {
            // The holder may have lost its processor.
            if (spin % 64 == 0)
                Platform::yield();
            else
                Platform::pause();
        }
    }

    void unlock_queue() { queue_lock_.store(0, std::memory_order_release); }

    Atomic<std::uint32_t> state_{0};
    Atomic<std::uint32_t> queue_lock_{0};
    Waiter* first_ = nullptr;
    Waiter* last_ = nullptr;
    LockTime next_hand_off_ = 0;
};

}  // namespace pythonnogil
