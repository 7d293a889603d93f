// The locks that are tortured: the real one, what an embedding program builds from its parts, and
// broken ones, which the torture must find out.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>

#include "pythonnogil/shared_exclusive_lock.hpp"

namespace pythonnogil::torture {

struct NoLock {
    void lock() {}
    void unlock() {}
    void lock_shared() {}
    void unlock_shared() {}
};

struct MissingBarrierPlatform : DefaultPlatform {
    static void heavy_barrier() {}
    static void*& thread_record() { return record; }
    static inline thread_local void* record = nullptr;
};

// Sleeps on whatever the word is by then, so a wake-up that came before is lost.
struct LostWakeUpPlatform : DefaultPlatform {
    static void wait(Atomic<std::uint32_t>& word, std::uint32_t, LockTime deadline) {
        std::this_thread::yield();
        DefaultPlatform::wait(word, word.load(), deadline);
    }
    static void*& thread_record() { return record; }
    static inline thread_local void* record = nullptr;
};

// A stand-in for an interpreter: its threads detach at times, while they hold the lock shared, and
// take the mutex for a moment to attach again.
struct Honest {
    static bool is_out(const std::atomic<bool>& attached) { return !attached; }
};
// Takes threads for detached that are not.
struct Liar {
    static bool is_out(const std::atomic<bool>&) { return true; }
};
// Does not let a detached thread's hold go.
struct Keeper {
    static bool is_out(const std::atomic<bool>&) { return false; }
};

template <class Detachment>
class DetachableLock {
  public:
    void lock() {
        mutex_.lock();
        slots_.revoke(
            [](const ReaderSlots::Record& record) {
                return Detachment::is_out(
                    *static_cast<const std::atomic<bool>*>(record.user.load()));
            },
            [](std::uint32_t) {
                std::this_thread::yield();
                return true;
            });
    }

    void unlock() { mutex_.unlock(); }

    void lock_shared() {
        if (enter_at_once())
            return;
        ReaderSlots::Registry::this_thread().user = &attached;
        if (slots_.try_enter())
            return;
        const std::lock_guard owned(mutex_);
        slots_.enter_as_owner();
        slots_.allow();
    }

    void unlock_shared() { slots_.leave(); }

    void detach() { attached = false; }

    void attach() {
        const std::lock_guard owned(mutex_);
        attached = true;
    }

  private:
    // As the shim's readers do.
    bool enter_at_once() {
        switch (slots_.try_enter_at_once(&attached)) {
            case ReaderSlots::Entered::yes:
                return true;
            case ReaderSlots::Entered::taken_back_later:
                slots_.take_back();
                return false;
            case ReaderSlots::Entered::no:
                break;
        }
        return false;
    }

    static inline thread_local std::atomic<bool> attached{true};

    std::mutex mutex_;
    ReaderSlots slots_;
};

}  // namespace pythonnogil::torture
