// A domain is what one lock guards: the legacy code of the whole process, of a group of modules, or
// of one module.
//
// Thread-safety: only ExclusiveHold takes the lock; each member says what protects it. A domain
// lives for ever, because calls may be inside it while the process ends. Errors: none.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "pythonnogil/reader_slots.hpp"
#include "shim/compat.hpp"

namespace pythonnogil::shim {

class alignas(64) Domain {
  public:
    constexpr explicit Domain(const char* name) : name_(name) {}
    Domain(const Domain&) = delete;
    Domain& operator=(const Domain&) = delete;

    // What this domain has become part of; itself, as long as it was not merged into another one.
    Domain& current() {
        Domain* domain = this;
        while (Domain* next = domain->merged_into_.load(std::memory_order_acquire))
            domain = next;
        return *domain;
    }
    void become_part_of(Domain& other) { merged_into_.store(&other, std::memory_order_release); }

    // For messages.
    const char* name() const { return name_; }

    // Critical sections lock the mutex in the header of an object. This object is that header and
    // nothing else: it has no type, and no reference to it ever leaves the shim.
    PyObject* lock_object() { return &lock_object_; }
    PyMutex* mutex() { return &lock_object_.ob_mutex; }

    // True while a waiter is to have the lock next. Whoever comes anew queues up behind it.
    bool is_reserved() const { return reserved_.load(std::memory_order_relaxed); }
    void reserve() { reserved_.store(true, std::memory_order_relaxed); }
    void end_reservation() { reserved_.store(false, std::memory_order_relaxed); }

    // When the oldest of the present waiters was seen first, in nanoseconds of the monotonic clock;
    // 0 when none was. An estimate, for fairness.
    std::int64_t waiting_since() const { return waiting_since_.load(std::memory_order_relaxed); }
    void set_waiting_since(std::int64_t when) {
        waiting_since_.store(when, std::memory_order_relaxed);
    }

    // Since when the present owner of the mutex has been seen to keep others waiting; 0 when it has
    // not. Whoever waits may have waited for many short holds before this one.
    std::int64_t kept_waiting_since() const {
        return kept_waiting_since_.load(std::memory_order_relaxed);
    }
    void set_kept_waiting_since(std::int64_t when) {
        kept_waiting_since_.store(when, std::memory_order_relaxed);
    }

    // Readers do not touch the mutex. A writer is whoever holds it exclusively, suspended or not;
    // as long as there is one, readers are kept out of their slots and go by the mutex as well: a
    // suspended writer is let in again by CPython, which asks nobody but the mutex.
    ReaderSlots& readers() { return readers_; }

    // For the owner of the mutex.
    void writer_comes() { ++writers_; }
    void writer_goes() { --writers_; }
    bool has_writers() const { return writers_ != 0; }

    // A writer looks at the thread states of readers; one that leaves meanwhile waits until it has
    // finished, because its thread state may be gone afterwards.
    void begin_scan() { scanners_.fetch_add(1, std::memory_order_seq_cst); }
    void end_scan() { scanners_.fetch_sub(1, std::memory_order_release); }
    bool is_scanned() const { return scanners_.load(std::memory_order_acquire) != 0; }

    // Called in the child of a fork, where the calling thread is the only one left: whatever
    // another thread held is free now, and nobody waits.
    void reset_after_fork(bool held_by_this_thread, std::uint32_t writers_of_this_thread) {
        lock_object_.ob_mutex._bits = held_by_this_thread ? mutex_locked : mutex_unlocked;
        end_reservation();
        set_waiting_since(0);
        set_kept_waiting_since(0);
        writers_ = writers_of_this_thread;
        scanners_.store(0, std::memory_order_relaxed);
    }

    // Once the runtime ends, no thread but the calling one comes back into the interpreter. One
    // that was handed the lock while it waited, detached, would own it for ever.
    void take_from_ended_threads(std::uint32_t writers_of_this_thread) {
        reset_after_fork(false, writers_of_this_thread);
    }

  private:
    PyObject lock_object_{};
    std::atomic<bool> reserved_{false};
    std::uint32_t writers_ = 0;  // the mutex protects it
    std::atomic<std::int64_t> waiting_since_{0};
    std::atomic<std::int64_t> kept_waiting_since_{0};
    ReaderSlots readers_;
    std::atomic<std::uint32_t> scanners_{0};
    std::atomic<Domain*> merged_into_{nullptr};  // set once, under the mutex of guard_plan.cpp
    const char* name_;
};

inline bool is_locked(const PyMutex& mutex) {
    return (__atomic_load_n(&mutex._bits, __ATOMIC_RELAXED) & mutex_locked) != 0;
}

inline bool has_waiters(const PyMutex& mutex) {
    return (__atomic_load_n(&mutex._bits, __ATOMIC_RELAXED) & mutex_has_parked) != 0;
}

// The domain of all legacy code that policy does not put elsewhere.
Domain& process_domain();

// The domain with this name, made when it is asked for first.
Domain& named_domain(const std::string& name);

// As they are at this moment, also while others are being made.
std::vector<Domain*> all_domains();

void for_each_domain(const std::function<void(Domain&)>& visit);

}  // namespace pythonnogil::shim
