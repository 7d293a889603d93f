// One record for each OS thread, in which it announces the locks that it holds shared, and the
// list of all of them, which a writer scans.
//
// | member                     | protected by                                                  |
// |----------------------------|---------------------------------------------------------------|
// | the list                   | only ever pushed to, by compare-and-swap; nothing is unlinked |
// | entries' lock              | written by the owning thread, read by anyone: atomic          |
// | entries' depth, others     | the owning thread alone                                       |
// | next, primary              | written before the record is published                        |
// | overflow                   | the owning thread alone                                       |
// | user                       | the embedding program: atomic                                 |
// | in_use                     | compare-and-swap by the thread that takes the record          |
//
// A record is taken when its thread first uses a lock, and given back for reuse when the thread
// ends. It is never freed, so a writer may read any record at any time. A thread that ends while it
// holds a lock shared keeps it held, as one that ends with a mutex locked does; its record is lost.
//
// Thread-safety: any thread. Errors: std::bad_alloc when a thread first uses a lock, or holds more
// locks shared at once than ever before.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "pythonnogil/lock_platform.hpp"

namespace pythonnogil {

inline constexpr std::size_t cache_line = 64;

template <class Platform>
struct alignas(cache_line) ReaderRecord {
    template <class T>
    using Atomic = typename Platform::template Atomic<T>;

    struct Entry {
        Atomic<const void*> lock{nullptr};
        std::uint32_t depth = 0;
    };

    // The first cache line holds all that scanning a thread without announcements reads.
    std::array<Entry, 3> entries{};
    ReaderRecord* next = nullptr;
    // How many entries of this thread are in use, not counting the first one of all, which alone
    // the fast path looks at.
    std::uint32_t others = 0;

    // A thread that holds more locks than fit has further records; this is its first one.
    alignas(cache_line) ReaderRecord* primary = this;
    ReaderRecord* overflow = nullptr;
    Atomic<void*> user{nullptr};
    Atomic<std::uint32_t> in_use{1};
};

template <class Platform>
class ReaderRegistry {
  public:
    using Record = ReaderRecord<Platform>;
    using Entry = typename Record::Entry;

    static Record& this_thread() {
        void* record = Platform::thread_record();
        if (record == nullptr) [[unlikely]]
            return enrol();
        return *static_cast<Record*>(record);
    }

    static Record* first() { return newest.load(std::memory_order_seq_cst); }

    // The entry in which this thread has announced `lock`, or null.
    static Entry* find(Record& self, const void* lock) {
        for (Record* record = &self; record != nullptr; record = record->overflow) {
            for (Entry& entry : record->entries) {
                if (entry.lock.load(std::memory_order_relaxed) == lock)
                    return &entry;
            }
        }
        return nullptr;
    }

    static Entry& find_free(Record& self) {
        if (Entry* entry = find(self, nullptr))
            return *entry;
        return add_overflow(self).entries.front();
    }

    // For the child of a fork, before it uses a lock: the other threads do not exist there, so
    // neither do their announcements.
    static void forget_other_threads() {
        Record& self = this_thread();
        for (Record* record = first(); record != nullptr; record = record->next) {
            if (record->primary != &self)
                wipe(*record);
        }
    }

  protected:
    static inline constinit typename Platform::template Atomic<Record*> newest{nullptr};

  private:
    [[gnu::noinline, gnu::cold]] static Record& enrol() {
        Record* record = reuse();
        if (record == nullptr) {
            record = new Record;
            publish(*record);
        }
        Platform::template at_thread_exit<give_back>(record);
        Platform::thread_record() = record;
        return *record;
    }

    static Record* reuse() {
        for (Record* record = first(); record != nullptr; record = record->next) {
            std::uint32_t unused = 0;
            if (record->in_use.load(std::memory_order_relaxed) == 0 &&
                record->in_use.compare_exchange_strong(unused, 1, std::memory_order_acquire))
                return record;
        }
        return nullptr;
    }

    static void publish(Record& record) {
        record.next = first();
        while (!newest.compare_exchange_strong(record.next, &record, std::memory_order_seq_cst)) {
        }
    }

    [[gnu::noinline, gnu::cold]] static Record& add_overflow(Record& self) {
        Record* record = new Record;
        record->primary = &self;
        record->overflow = self.overflow;
        publish(*record);
        self.overflow = record;
        return *record;
    }

    static void give_back(void* argument) {
        auto& record = *static_cast<Record*>(argument);
        Platform::thread_record() = nullptr;
        if (record.others != 0 ||
            record.entries.front().lock.load(std::memory_order_relaxed) != nullptr)
            return;
        record.user.store(nullptr, std::memory_order_relaxed);
        record.in_use.store(0, std::memory_order_release);
    }

    static void wipe(Record& record) {
        for (Entry& entry : record.entries)
            entry.lock.store(nullptr, std::memory_order_relaxed);
        record.others = 0;
        record.user.store(nullptr, std::memory_order_relaxed);
        // Those with the others stay with their first one.
        if (record.primary == &record)
            record.in_use.store(0, std::memory_order_relaxed);
    }
};

}  // namespace pythonnogil
