// What the lock needs from the machine: atomics, barriers, a clock, a way to sleep, and one pointer
// for each thread. The lock is a template over it, so that tests can put an instrumented machine in
// its place, and so that a program can make its waits detached from an interpreter: derive from
// LinuxPlatform and hide `wait`, which is the only function that blocks.
//
// A platform that replaces another one needs a thread_record() of its own, because what it points
// to belongs to that platform's registry.
//
// Thread-safety: any thread. Errors: none; at_thread_exit throws std::bad_alloc when the process
// is out of pthread keys or memory. Linux only. Sources: futex(2).
#pragma once

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <ctime>
#include <limits>
#include <new>

#include "pythonnogil/asymmetric_barrier.hpp"

namespace pythonnogil {

// Nanoseconds of the monotonic clock.
using LockTime = std::int64_t;
inline constexpr LockTime no_deadline = std::numeric_limits<LockTime>::max();

// The initial-exec model costs one load instead of a call into the dynamic linker. Each library
// that includes this has a variable of its own, as it has a registry of its own.
[[gnu::tls_model("initial-exec"),
  gnu::visibility("hidden")]] inline constinit thread_local void* linux_thread_record = nullptr;
[[gnu::tls_model("initial-exec"),
  gnu::visibility("hidden")]] inline constinit thread_local void* sequential_thread_record =
    nullptr;

struct LinuxPlatform {
    template <class T>
    using Atomic = std::atomic<T>;

    // The orders in which slots and the reader's gate are written and read. Together with the
    // barriers they make announcing and revoking a store-load pair (see reader_slots.hpp).
    static constexpr std::memory_order publish = std::memory_order_release;
    static constexpr std::memory_order observe = std::memory_order_acquire;

    static void light_barrier() { asymmetric_barrier::light(); }
    static void heavy_barrier() { asymmetric_barrier::heavy(); }

    // How often a waiter looks again before it goes to sleep.
    static constexpr int spins = 40;
    // A lock goes straight to the first waiter when that has waited this long, and not more often
    // than once in this time. Otherwise whoever is running may take it first, since a switch of
    // threads for each of many short holds would cost far more than the holds.
    static constexpr LockTime hand_off_after = 100'000;
    // After a revocation readers stay without their fast path for this many times its cost.
    static constexpr LockTime inhibition_factor = 9;

    static LockTime now() {
        timespec time{};
        clock_gettime(CLOCK_MONOTONIC, &time);
        return static_cast<LockTime>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
    }

    static void pause() {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("isb" ::: "memory");
#endif
    }

    static void yield() {
        sched_yield();
    }

    // Sleeps while `word` is `expected`, until somebody wakes it or the deadline has passed; may
    // also return for no reason.
    static void wait(Atomic<std::uint32_t>& word, std::uint32_t expected, LockTime deadline) {
        timespec time{};
        if (deadline != no_deadline) {
            time.tv_sec = static_cast<time_t>(deadline / 1'000'000'000);
            time.tv_nsec = static_cast<long>(deadline % 1'000'000'000);
        }
        // WAIT_BITSET, because its deadline is a point in time and not a duration.
        syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, expected,
                deadline == no_deadline ? nullptr : &time, nullptr, FUTEX_BITSET_MATCH_ANY);
    }

    static void wake_all(Atomic<std::uint32_t>& word) {
        syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
    }

    static void*& thread_record() {
        return linux_thread_record;
    }

    // Calls `Function(argument)` when the calling thread ends. A pthread key and not a thread_local
    // object: keys are served after those objects are destroyed, and again when their destructors
    // have used a lock.
    template <void (*Function)(void*)>
    static void at_thread_exit(void* argument) {
        static const pthread_key_t key = make_key(Function);
        if (pthread_setspecific(key, argument) != 0)
            throw std::bad_alloc();
    }

  private:
    static pthread_key_t make_key(void (*function)(void*)) {
        pthread_key_t key{};
        if (pthread_key_create(&key, function) != 0)
            throw std::bad_alloc();
        return key;
    }
};

// ThreadSanitizer sees neither fences nor membarrier, so under it slots and gate are sequentially
// consistent. Also right, and slower, everywhere else.
struct SequentialPlatform : LinuxPlatform {
    static constexpr std::memory_order publish = std::memory_order_seq_cst;
    static constexpr std::memory_order observe = std::memory_order_seq_cst;
    static void light_barrier() {}
    static void heavy_barrier() {}
    static void*& thread_record() { return sequential_thread_record; }
};

#if defined(__SANITIZE_THREAD__)
using DefaultPlatform = SequentialPlatform;
#else
using DefaultPlatform = LinuxPlatform;
#endif

}  // namespace pythonnogil
