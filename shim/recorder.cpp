#include "shim/recorder.hpp"

#include <pthread.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <vector>

#include "pythonnogil/lock_platform.hpp"

namespace pythonnogil::shim::recorder {

thread_local constinit ThisThread this_thread{nullptr, nullptr};

namespace {

// What the threads' own counters may take together. Beyond that, a thread that meets a function for
// the first time counts it under the mutex.
constexpr std::size_t limit_of_threads = std::size_t{64} << 20;

std::atomic<bool> on{false};

// What one call adds.
struct Sample {
    std::optional<std::uint64_t> hold;
    std::optional<std::uint64_t> wait;

    bool fits(const Record& record) const {
        return !wait || record.waits.load(std::memory_order_relaxed) != nullptr;
    }
    void add_to(Histogram& holds, Waits* waits) const {
        if (hold)
            holds.add(*hold);
        if (wait)
            waits->add(*wait);
    }
};

struct Shared {
    std::mutex mutex;  // guards the members below; never held while Python code runs
    std::vector<ThreadCounts*> threads;
    // Of threads that have ended, and of those that found no memory.
    std::map<std::size_t, Measures> ended;
    std::size_t bytes_of_threads = 0;
};

// Never destroyed: threads may be counting while the process ends.
Shared& shared() {
    static auto* const instance = new Shared;
    return *instance;
}

template <typename Visit>
void for_each_record(const ThreadCounts& counts, Visit visit) {
    for (std::size_t number = 0; number < counts.chunks.size(); ++number) {
        const ThreadCounts::Chunk* chunk = counts.chunks[number].load(std::memory_order_acquire);
        for (std::size_t i = 0; chunk != nullptr && i < chunk->size(); ++i) {
            if (Record* record = (*chunk)[i].load(std::memory_order_acquire))
                visit(number * ThreadCounts::chunk_size + i, *record);
        }
    }
}

void add_to(std::map<std::size_t, Measures>& sums, const ThreadCounts& counts) {
    for_each_record(counts, [&](std::size_t entry, const Record& record) {
        Measures& sum = sums[entry];
        sum.holds.merge(record.holds);
        if (const Waits* waits = record.waits.load(std::memory_order_acquire))
            sum.waits.merge(*waits);
    });
}

// Returns how many bytes that were.
std::size_t free_counts(ThreadCounts* counts) {
    std::size_t freed = sizeof *counts;
    for (auto& place : counts->chunks) {
        const std::unique_ptr<ThreadCounts::Chunk> chunk(place.load());
        if (chunk == nullptr)
            continue;
        freed += sizeof *chunk;
        for (auto& of_entry : *chunk) {
            const std::unique_ptr<Record> record(of_entry.load());
            if (record == nullptr)
                continue;
            const std::unique_ptr<Waits> waits(record->waits.load());
            freed += sizeof *record + (waits == nullptr ? 0 : sizeof *waits);
        }
    }
    delete counts;
    return freed;
}

// ---- the end of a thread, and fork ----

void end_of_thread(void* value) {
    auto* const counts = static_cast<ThreadCounts*>(value);
    this_thread.counts = nullptr;
    const std::lock_guard lock(shared().mutex);
    if (std::erase(shared().threads, counts) == 0)
        return;
    add_to(shared().ended, *counts);
    shared().bytes_of_threads -= free_counts(counts);
}

void before_fork() {
    shared().mutex.lock();
}

void after_fork_in_parent() {
    shared().mutex.unlock();
}

void after_fork_in_child() {
    ThreadCounts* const own = this_thread.counts;
    for (ThreadCounts* counts : shared().threads) {
        if (counts != own)
            shared().bytes_of_threads -= free_counts(counts);
    }
    std::erase_if(shared().threads, [&](ThreadCounts* counts) { return counts != own; });
    // Calls that this thread is in have pointers to its records.
    if (own != nullptr)
        for_each_record(*own, [](std::size_t, Record& record) {
            record.holds.clear();
            if (Waits* waits = record.waits.load())
                waits->clear();
        });
    shared().ended.clear();
    shared().mutex.unlock();
}

// ---- the first call of a thread, or of a function in a thread ----

// Null when there is no memory, or no more is to be used. Under the mutex.
template <typename Item>
Item* make() {
    if (shared().bytes_of_threads + sizeof(Item) > limit_of_threads)
        return nullptr;
    auto* const item = new (std::nothrow) Item;
    if (item != nullptr)
        shared().bytes_of_threads += sizeof(Item);
    return item;
}

ThreadCounts* counts_of_this_thread() {
    if (this_thread.counts != nullptr)
        return this_thread.counts;
    auto* const counts = make<ThreadCounts>();
    if (counts == nullptr)
        return nullptr;
    try {
        LinuxPlatform::at_thread_exit<end_of_thread>(counts);
    } catch (const std::bad_alloc&) {
        delete counts;
        return nullptr;
    }
    shared().threads.push_back(counts);
    this_thread.counts = counts;
    return counts;
}

template <typename Item>
Item* made_in(std::atomic<Item*>& place) {
    Item* item = place.load(std::memory_order_relaxed);
    if (item == nullptr) {
        item = make<Item>();
        place.store(item, std::memory_order_release);
    }
    return item;
}

Record* record_of(std::size_t entry) {
    ThreadCounts* const counts = counts_of_this_thread();
    ThreadCounts::Chunk* const chunk =
        counts == nullptr ? nullptr : made_in(counts->chunks[entry / ThreadCounts::chunk_size]);
    return chunk == nullptr ? nullptr : made_in((*chunk)[entry % ThreadCounts::chunk_size]);
}

void add(std::size_t entry, const Sample& sample) {
    const ThreadCounts* const counts = this_thread.counts;
    Record* record = counts == nullptr ? nullptr : counts->find(entry);
    if (record != nullptr && sample.fits(*record)) {
        sample.add_to(record->holds, record->waits.load(std::memory_order_relaxed));
        return;
    }
    const std::lock_guard lock(shared().mutex);
    record = record_of(entry);
    if (record != nullptr && sample.wait)
        made_in(record->waits);
    if (record != nullptr && sample.fits(*record)) {
        sample.add_to(record->holds, record->waits.load(std::memory_order_relaxed));
    } else {
        Measures& sums = shared().ended[entry];
        sample.add_to(sums.holds, &sums.waits);
    }
}

}  // namespace

void Waits::add(std::uint64_t ticks) {
    durations.add(ticks);
    const std::uint64_t ns = ticks::to_ns(ticks);
    for (std::size_t i = 0; i < wait_limits_ns.size(); ++i) {
        if (ns > wait_limits_ns[i])
            over[i].add(1);
    }
}

void Waits::merge(const Waits& other) {
    durations.merge(other.durations);
    for (std::size_t i = 0; i < over.size(); ++i)
        over[i].add(other.over[i].value());
}

void Waits::clear() {
    durations.clear();
    for (Tally& tally : over)
        tally.set(0);
}

void Measures::merge(const Measures& other) {
    holds.merge(other.holds);
    waits.merge(other.waits);
}

void start() {
    static std::once_flag once;
    std::call_once(once, [] {
        ticks::calibrate();
        pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    });
    on = true;
    thunk_pool::observe(true);
}

void stop() {
    on = false;
    thunk_pool::observe(false);
}

bool is_on() {
    return on.load(std::memory_order_relaxed);
}

std::map<std::size_t, Measures> measures() {
    const std::lock_guard lock(shared().mutex);
    std::map<std::size_t, Measures> sums;
    for (const auto& [entry, ended] : shared().ended)
        sums[entry].merge(ended);
    for (const ThreadCounts* counts : shared().threads)
        add_to(sums, *counts);
    return sums;
}

std::size_t bytes() {
    const std::lock_guard lock(shared().mutex);
    return shared().bytes_of_threads + shared().ended.size() * sizeof(Measures);
}

void leave() {
    if (ObservedCall* call = this_thread.innermost)
        call->leave();
}

void come_back() {
    if (ObservedCall* call = this_thread.innermost)
        call->come_back();
}

void waited(std::uint64_t begin, std::uint64_t end) {
    if (ObservedCall* call = this_thread.innermost)
        call->add_wait(begin, end);
}

Wait::Wait(bool waits, bool held) : call_(waits ? this_thread.innermost : nullptr) {
    if (call_ == nullptr)
        return;
    begin_ = ticks::now();
    call_->leave(held);
    if (probes::are_watched())
        probes::wait_begin(call_->entry());
}

Wait::~Wait() {
    if (call_ == nullptr)
        return;
    call_->add_wait(begin_, ticks::now());
    call_->come_back();
}

}  // namespace pythonnogil::shim::recorder

namespace pythonnogil::shim {

void ObservedCall::leave(bool held) {
    follow();
    if (leaves_++ != 0)
        return;
    left_at_ = ticks::now();
    if (held && !delegated_)
        trace::add(trace::Kind::hold, entry_, held_since_, left_at_);
}

// Recording may have begun in between.
void ObservedCall::come_back() {
    if (is_plain_ || leaves_ == 0 || --leaves_ != 0)
        return;
    held_since_ = ticks::now();
    away_ += ticks::between(left_at_, held_since_);
}

void ObservedCall::add_wait(std::uint64_t begin, std::uint64_t end) {
    follow();
    has_waited_ = true;
    waited_ += ticks::between(begin, end);
    trace::add(trace::Kind::wait, entry_, begin, end);
    if (probes::are_watched())
        probes::wait_end(*entry_, ticks::to_ns(ticks::between(begin, end)));
}

void ObservedCall::begin_followed() {
    follow();
    if (probes::are_watched())
        probes::hold_begin(*entry_);
}

// While this call held nothing, those around it held nothing either, unless they had already given
// up what they hold.
void ObservedCall::finish(std::uint64_t end) {
    follow();
    if (leaves_ != 0)
        away_ += ticks::between(left_at_, end);
    else if (!delegated_)
        trace::add(trace::Kind::hold, entry_, held_since_, end);
    if (away_ != 0 && outer_ != nullptr) {
        outer_->follow();
        if (outer_->leaves_ == 0)
            outer_->away_ += away_;
    }
    recorder::Sample sample;
    if (!delegated_)
        sample.hold = ticks::between(away_, ticks::between(begin_, end));
    if (has_waited_)
        sample.wait = waited_;
    if (sample.hold && probes::are_watched())
        probes::hold_end(*entry_, ticks::to_ns(*sample.hold));
    recorder::add(thunk_pool::index_of(*entry_), sample);
}

}  // namespace pythonnogil::shim
