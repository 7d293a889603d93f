// A lock that many threads hold shared, or one thread exclusive, or one thread as upgrader beside
// those that hold it shared. Models Boost.Thread's UpgradeLockable, so boost::shared_lock,
// upgrade_lock, unique_lock and upgrade_to_unique_lock work on it, and std::shared_lock and
// std::unique_lock as well.
//
// Rules for callers:
// - Any thread may take any mode while it holds any other, nested as deep as it likes, and gives
//   each back by the unlock of its mode, in any order. What it holds is the strongest of them.
// - Shared inside shared never waits, also not while a writer does.
// - An upgrader that goes exclusive (unlock_upgrade_and_lock, or lock inside lock_upgrade) waits
//   for readers only, and nobody else gets the lock exclusive in between.
// - A thread that asks for exclusive or upgrade while it holds the lock shared gets it at once if
//   nobody else has asked before; nobody gets in between then either. Otherwise its shared holds
//   are set aside while it waits, and are back when the call returns: of two such threads the
//   second one finds what the first one wrote. That is why they cannot deadlock. A thread that must
//   know takes the upgrade mode from the start, or uses try_lock or a timed function: these set
//   nothing aside, but fail.
// - try_lock_shared may fail while another reader is about to enter, as the standard permits.
//
// | member              | protected by                                                        |
// |---------------------|---------------------------------------------------------------------|
// | slots_              | see reader_slots.hpp; its owner is whoever owns mutex_              |
// | mutex_              | see fair_mutex.hpp; owned for exclusive and upgrade, and by a       |
// |                     | reader for the moment in which it enters by the slow path           |
// | owner_              | written by the owner of mutex_; anyone may compare it with itself   |
// | exclusive_, upgrade_| owner_                                                              |
//
// exclusive_ > 0: mutex_ is owned and readers are out. upgrade_ > 0 and exclusive_ == 0: mutex_ is
// owned and readers may get in.
//
// Costs: shared and not contended, two stores to the thread's own record. Exclusive and not
// contended, one compare-and-swap to lock and one to unlock; the first exclusive after readers also
// pays one membarrier. A nested one counts.
//
// Lifetime: must not be destroyed before every call on it has returned. After a fork, holds of
// threads that are not in the child stay, as with any mutex.
// Thread-safety: any thread. Errors: std::bad_alloc when a thread uses a lock for the first time,
// or holds more locks shared than ever before; the lock is then not held.
#pragma once

#include <chrono>
#include <cstdint>

#include "pythonnogil/fair_mutex.hpp"
#include "pythonnogil/lock_platform.hpp"
#include "pythonnogil/reader_slots.hpp"

namespace pythonnogil {

template <class Platform>
class alignas(cache_line) BasicSharedExclusiveLock {
  public:
    BasicSharedExclusiveLock() = default;
    BasicSharedExclusiveLock(const BasicSharedExclusiveLock&) = delete;
    BasicSharedExclusiveLock& operator=(const BasicSharedExclusiveLock&) = delete;

    // --- exclusive ---

    void lock() {
        const Record& self = Slots::Registry::this_thread();
        if (owner_.load(std::memory_order_relaxed) == &self && exclusive_ != 0) {
            ++exclusive_;
            return;
        }
        if (!lock_at_once(self)) [[unlikely]]
            lock_waiting(self, no_deadline);
    }

    bool try_lock() { return try_lock_before(deadline_passed); }

    void unlock() {
        if (--exclusive_ != 0)
            return;
        if (upgrade_ != 0) [[unlikely]]
            let_readers_in();
        else
            release();
    }

    // --- shared ---

    void lock_shared() {
        if (!slots_.try_enter()) [[unlikely]]
            lock_shared_waiting(no_deadline);
    }

    bool try_lock_shared() { return slots_.try_enter() || lock_shared_waiting(deadline_passed); }

    void unlock_shared() { slots_.leave(); }

    // --- upgrade: one thread at a time, beside readers ---

    void lock_upgrade() { lock_upgrade_before(no_deadline); }
    bool try_lock_upgrade() { return lock_upgrade_before(deadline_passed); }

    void unlock_upgrade() {
        if (--upgrade_ != 0 || exclusive_ != 0)
            return;
        slots_.end_open();
        release();
    }

    // --- from one mode to another ---

    void unlock_upgrade_and_lock() {
        lock();
        unlock_upgrade();
    }

    void unlock_and_lock_upgrade() {
        lock_upgrade();
        unlock();
    }

    void unlock_and_lock_shared() {
        slots_.enter_as_owner();
        unlock();
    }

    void unlock_upgrade_and_lock_shared() {
        slots_.enter_as_owner();
        unlock_upgrade();
    }

    bool try_unlock_upgrade_and_lock() { return exchange_upgrade(deadline_passed); }
    bool try_unlock_shared_and_lock() { return exchange_shared(try_lock()); }
    bool try_unlock_shared_and_lock_upgrade() { return exchange_shared(try_lock_upgrade()); }

    // --- the same with a time limit; these may sleep until then ---

    template <class Rep, class Period>
    bool try_lock_for(const std::chrono::duration<Rep, Period>& time) {
        return try_lock_before(after(time));
    }
    template <class Clock, class Duration>
    bool try_lock_until(const std::chrono::time_point<Clock, Duration>& time) {
        return try_lock_for(time - Clock::now());
    }

    template <class Rep, class Period>
    bool try_lock_shared_for(const std::chrono::duration<Rep, Period>& time) {
        return slots_.try_enter() || lock_shared_waiting(after(time));
    }
    template <class Clock, class Duration>
    bool try_lock_shared_until(const std::chrono::time_point<Clock, Duration>& time) {
        return try_lock_shared_for(time - Clock::now());
    }

    template <class Rep, class Period>
    bool try_lock_upgrade_for(const std::chrono::duration<Rep, Period>& time) {
        return lock_upgrade_before(after(time));
    }
    template <class Clock, class Duration>
    bool try_lock_upgrade_until(const std::chrono::time_point<Clock, Duration>& time) {
        return try_lock_upgrade_for(time - Clock::now());
    }

    template <class Rep, class Period>
    bool try_unlock_upgrade_and_lock_for(const std::chrono::duration<Rep, Period>& time) {
        return exchange_upgrade(after(time));
    }
    template <class Clock, class Duration>
    bool try_unlock_upgrade_and_lock_until(const std::chrono::time_point<Clock, Duration>& time) {
        return try_unlock_upgrade_and_lock_for(time - Clock::now());
    }

    template <class Rep, class Period>
    bool try_unlock_shared_and_lock_for(const std::chrono::duration<Rep, Period>& time) {
        return exchange_shared(try_lock_for(time));
    }
    template <class Clock, class Duration>
    bool try_unlock_shared_and_lock_until(const std::chrono::time_point<Clock, Duration>& time) {
        return exchange_shared(try_lock_until(time));
    }

    template <class Rep, class Period>
    bool try_unlock_shared_and_lock_upgrade_for(const std::chrono::duration<Rep, Period>& time) {
        return exchange_shared(try_lock_upgrade_for(time));
    }
    template <class Clock, class Duration>
    bool try_unlock_shared_and_lock_upgrade_until(
        const std::chrono::time_point<Clock, Duration>& time) {
        return exchange_shared(try_lock_upgrade_until(time));
    }

    // --- questions ---

    // Whether somebody sleeps until this lock is free. One load.
    bool has_waiters() const { return mutex_.has_waiters(); }

    // Whether the calling thread holds it exclusive.
    bool is_exclusive() const {
        return is_owner(Slots::Registry::this_thread()) && exclusive_ != 0;
    }

  private:
    using Slots = BasicReaderSlots<Platform>;
    using Record = typename Slots::Record;
    using Mutex = FairMutex<Platform>;
    using Outcome = typename Mutex::Outcome;
    template <class T>
    using Atomic = typename Platform::template Atomic<T>;

    static constexpr LockTime deadline_passed = 0;

    bool is_owner(const Record& self) const {
        return owner_.load(std::memory_order_relaxed) == &self;
    }

    bool lock_at_once(const Record& self) {
        if (!mutex_.try_acquire_uncontended())
            return false;
        owner_.store(&self, std::memory_order_relaxed);
        if (slots_.readers_possible()) [[unlikely]]
            return false;
        exclusive_ = 1;
        return true;
    }

    bool try_lock_before(LockTime deadline) {
        const Record& self = Slots::Registry::this_thread();
        if (is_owner(self) && exclusive_ != 0) {
            ++exclusive_;
            return true;
        }
        return lock_at_once(self) || lock_waiting(self, deadline);
    }

    [[gnu::noinline]] bool lock_waiting(const Record& self, LockTime deadline) {
        if (!own_mutex(self, deadline))
            return false;
        if (revoke(deadline)) {
            ++exclusive_;
            return true;
        }
        if (upgrade_ != 0)
            let_readers_in();
        else
            release();
        return false;
    }

    bool own_mutex(const Record& self, LockTime deadline) {
        if (is_owner(self))
            return true;
        if (!mutex_.try_acquire()) {
            if (deadline == deadline_passed)
                return false;
            // Who has the mutex may wait for this thread to leave. A timed wait ends by itself.
            const std::uint32_t levels = deadline == no_deadline ? slots_.set_aside() : 0;
            if (!mutex_.acquire(deadline))
                return false;
            if (levels != 0)
                slots_.enter_as_owner(levels);
        }
        owner_.store(&self, std::memory_order_relaxed);
        return true;
    }

    bool revoke(LockTime deadline) {
        int spins_left = Platform::spins;
        return slots_.revoke([](const Record&) { return false; },
                             [&](std::uint32_t ticket) {
                                 if (deadline == deadline_passed)
                                     return false;
                                 if (spins_left > 0) {
                                     --spins_left;
                                     Platform::pause();
                                     return true;
                                 }
                                 slots_.wait_for_departure(ticket, deadline);
                                 return deadline == no_deadline || Platform::now() < deadline;
                             });
    }

    [[gnu::noinline]] bool lock_shared_waiting(LockTime deadline) {
        if (is_owner(Slots::Registry::this_thread())) {
            slots_.enter_as_owner();
            return true;
        }
        const Outcome outcome = deadline == deadline_passed ? admit_now() : wait_shared(deadline);
        if (outcome == Outcome::acquired) {
            // Does not throw: being refused has left a free entry in this thread's record.
            slots_.enter_as_owner();
            slots_.allow();
            mutex_.release();
        }
        return outcome != Outcome::timed_out;
    }

    Outcome wait_shared(LockTime deadline) {
        return mutex_.acquire_or([this] { return slots_.try_enter_again(); }, deadline);
    }

    Outcome admit_now() {
        if (mutex_.try_acquire())
            return Outcome::acquired;
        return slots_.try_enter_again() ? Outcome::admitted : Outcome::timed_out;
    }

    bool lock_upgrade_before(LockTime deadline) {
        const Record& self = Slots::Registry::this_thread();
        const bool owned = is_owner(self);
        if (!own_mutex(self, deadline))
            return false;
        ++upgrade_;
        if (!owned)
            let_readers_in();
        return true;
    }

    void let_readers_in() {
        slots_.open();
        mutex_.wake_readers();
    }

    void release() {
        owner_.store(nullptr, std::memory_order_relaxed);
        mutex_.release();
    }

    bool exchange_upgrade(LockTime deadline) {
        if (!try_lock_before(deadline))
            return false;
        unlock_upgrade();
        return true;
    }

    bool exchange_shared(bool locked) {
        if (locked)
            unlock_shared();
        return locked;
    }

    template <class Rep, class Period>
    static LockTime after(const std::chrono::duration<Rep, Period>& time) {
        if (time <= time.zero())
            return deadline_passed;
        const LockTime now = Platform::now();
        // Compared in floating point, in which no duration overflows.
        if (std::chrono::duration<double, std::nano>(time).count() >=
            static_cast<double>(no_deadline - now))
            return no_deadline - 1;
        return now + std::chrono::ceil<std::chrono::nanoseconds>(time).count();
    }

    Slots slots_;
    Mutex mutex_;
    Atomic<const Record*> owner_{nullptr};
    std::uint32_t exclusive_ = 0;
    std::uint32_t upgrade_ = 0;
};

using SharedExclusiveLock = BasicSharedExclusiveLock<DefaultPlatform>;

}  // namespace pythonnogil
