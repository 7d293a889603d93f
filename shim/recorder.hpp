// Counts and measures guarded calls, when it was asked for: how often each function was called, how
// long it held what it had locked, and how long it waited for that.
//
// A call that is recorded goes another way through the dispatcher (Access::observed), so those that
// are not pay nothing. Each thread counts for itself, without locked instructions; its memory is
// merged into that of the process when it ends.
//
// *Hold*: from having the guard to leaving it, without the time in which the guard was seen to be
// given up: waits, detachments by PyEval_SaveThread and its kin in redirected code, a shared hold
// that is set aside, other greenlets. A detachment inside CPython, such as time.sleep() in Python
// code that legacy code calls, is not seen and counts as hold. An outer call's hold contains those
// of calls that it makes. *Wait*: from the moment at which the guard was not to be had to having
// it, on entry and when it is taken up again.
//
// Thread-safety: any thread. Errors: none; where there is no memory for a thread's own counters, it
// shares the process's, under a mutex.
// fork: the child starts from zero. Counters belong to the process, not to an interpreter.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>

#include "shim/histogram.hpp"
#include "shim/probes.hpp"
#include "shim/thunk_pool.hpp"
#include "shim/ticks.hpp"
#include "shim/trace.hpp"

namespace pythonnogil::shim {

class ObservedCall;

namespace recorder {

// Waits longer than these are counted one by one.
inline constexpr std::array<std::uint64_t, 4> wait_limits_ns = {1'000'000, 5'000'000, 16'000'000,
                                                                100'000'000};

struct Waits {
    Histogram durations;
    std::array<Tally, wait_limits_ns.size()> over;

    void add(std::uint64_t ticks);
    void merge(const Waits& other);
    void clear();
};

// Of one function.
struct Measures {
    Histogram holds;
    Waits waits;

    std::uint64_t calls() const { return holds.count(); }
    void merge(const Measures& other);
};

// Of one function and thread. Most calls never wait.
struct Record {
    Histogram holds;
    std::atomic<Waits*> waits{nullptr};
};

// Of one thread: records by the number of the entry, in two steps, since few entries are called.
struct ThreadCounts {
    static constexpr std::size_t chunk_size = 256;
    using Chunk = std::array<std::atomic<Record*>, chunk_size>;

    std::array<std::atomic<Chunk*>, thunk_count / chunk_size> chunks{};

    Record* find(std::size_t entry) const {
        const Chunk* chunk = chunks[entry / chunk_size].load(std::memory_order_relaxed);
        return chunk == nullptr ? nullptr
                                : (*chunk)[entry % chunk_size].load(std::memory_order_relaxed);
    }
};

// Trivially constructed and destroyed, like ThreadRecord.
struct ThisThread {
    ObservedCall* innermost;
    ThreadCounts* counts;

    Record* record_of(const Entry& entry) const {
        return counts == nullptr ? nullptr : counts->find(thunk_pool::index_of(entry));
    }
};
extern thread_local constinit ThisThread this_thread
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

// From now on, for entries that are there and those to come. Calling it again does nothing. What
// was recorded stays when it stops; calls that are inside then are recorded to their end.
void start();
void stop();
bool is_on();

// What has been recorded so far, by the number of the entry.
std::map<std::size_t, Measures> measures();

// How much memory the counters take.
std::size_t bytes();

// The thread gives what it holds up, and has it again. In between, its calls hold nothing.
void leave();
void come_back();

// The innermost call has waited from then until then, detached.
void waited(std::uint64_t begin, std::uint64_t end);

// One wait of the innermost call, for the length of a scope.
class Wait {
  public:
    // `waits` is false where what looks like a wait turned out to be none; `held` says whether the
    // thread had what it waits for before.
    explicit Wait(bool waits = true, bool held = true);
    ~Wait();
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

  private:
    ObservedCall* call_;
    std::uint64_t begin_ = 0;
};

}  // namespace recorder

// A call that is recorded, for the length of a scope on the stack of its thread.
class ObservedCall {
  public:
    explicit ObservedCall(const Entry& entry)
        : entry_(&entry),
          outer_(recorder::this_thread.innermost),
          record_(recorder::this_thread.record_of(entry)) {
        recorder::this_thread.innermost = this;
        begin_ = ticks::now();
        if (trace::is_on() || probes::are_watched()) [[unlikely]]
            begin_followed();
    }

    // A call that only has another thread do it: there is no hold, but there may be a wait.
    struct Delegated {};
    ObservedCall(const Entry& entry, Delegated) : ObservedCall(entry) {
        follow();
        delegated_ = true;
    }

    // In line: otherwise the call is a good part of what recording costs.
    __attribute__((always_inline)) ~ObservedCall() {
        const std::uint64_t end = ticks::now();
        recorder::this_thread.innermost = outer_;
        if (record_ != nullptr && is_plain_) [[likely]]
            record_->holds.add(ticks::between(begin_, end));
        else
            finish(end);
    }

    ObservedCall(const ObservedCall&) = delete;
    ObservedCall& operator=(const ObservedCall&) = delete;

    // `held` is false for a call that has not got what it wants yet.
    void leave(bool held = true);
    void come_back();
    void add_wait(std::uint64_t begin, std::uint64_t end);

    const Entry& entry() const { return *entry_; }
    ObservedCall* outer() const { return outer_; }

  private:
    void follow() {
        if (!is_plain_)
            return;
        is_plain_ = false;
        away_ = waited_ = 0;
        held_since_ = begin_;
        leaves_ = 0;
    }
    void begin_followed();
    void finish(std::uint64_t end);

    const Entry* entry_;
    ObservedCall* outer_;
    recorder::Record* record_;  // null at the first call of a thread and function
    std::uint64_t begin_;
    bool is_plain_ = true;  // nothing but its length is to be recorded
    bool has_waited_ = false;
    bool delegated_ = false;

    // Of a call that is not plain. Ticks, but for the last.
    std::uint64_t away_;  // nothing was held
    std::uint64_t waited_;
    std::uint64_t left_at_;
    std::uint64_t held_since_;  // for the trace: when it began, or came back
    unsigned leaves_;           // how often left and not come back
};

}  // namespace pythonnogil::shim
