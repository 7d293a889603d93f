// The shared side of a lock: readers announce themselves in records of their own, and touch nothing
// that another reader writes. Combined with any mutex for the exclusive side, which is called the
// owner's mutex below.
//
// A reader announces the lock in its record, then looks at the lock's gate. While the gate is
// *biased* it is in. A writer, who owns the mutex, first closes the gate, then waits until no
// announcement is left: a *revocation*. Readers that find the gate closed take the mutex for a
// moment, or wait for it. That bias is put back by a reader, and not before a multiple of what the
// last revocation cost has passed, so that a run of writers pays for no barrier.
//
// | member            | protected by                                                            |
// |-------------------|-------------------------------------------------------------------------|
// | gate_             | written by the mutex's owner, but for one transition: where the owner   |
// |                   | left it `openable`, a reader may make it `biased`; read by anyone       |
// | departures_       | anyone, atomic: readers that left while a writer was waiting            |
// | inhibited_until_  | the owner's mutex                                                       |
// | a thread's record | see reader_registry.hpp                                                 |
//
// Memory order. Two pairs of store and load must not pass each other both:
// - entering: the reader stores its announcement, then loads the gate; the writer stores the closed
//   gate, then loads the announcements. At least one sees the other: the reader goes back, or the
//   writer waits for it.
// - leaving: the reader takes its announcement back, then loads the gate; the writer stores
//   `draining`, then loads the announcements, then sleeps. Either the writer sees that the reader
//   has gone, or the reader sees that somebody wants to be woken.
// In both the reader has only Platform::light_barrier() in between, and the writer has
// Platform::heavy_barrier(), which acts as a full fence at some point of every reader's program. If
// that point comes after the reader's store, the writer's load sees the store; if it comes before,
// so it comes before the reader's load as well, which then sees the writer's store.
// A reader may announce itself while it owns the mutex, without looking at the gate; the mutex
// itself then makes the announcement visible, and `announced` tells later owners to look for it.
// What a writer wrote is visible to readers because biasing the gate is a release, and loading it
// an acquire; what a reader read is safe because taking the announcement back is a release.
//
// Lifetime: leave() looks at the gate after the reader is out, so a lock must not be destroyed
// before every call on it has returned.
// Thread-safety: as said for each function. Errors: std::bad_alloc when a thread enters for its
// first time, or holds more locks than ever before.
// Sources: D. Dice and A. Kogan, "BRAVO: Biased Locking for Reader-Writer Locks", 2019, for the
// bias and its inhibition; announcements in thread records with an asymmetric fence go back to
// hazard pointers.
#pragma once

#include <atomic>
#include <cassert>
#include <cstdint>

#include "pythonnogil/lock_platform.hpp"
#include "pythonnogil/reader_registry.hpp"

namespace pythonnogil {

template <class Platform>
class BasicReaderSlots {
  public:
    using Registry = ReaderRegistry<Platform>;
    using Record = typename Registry::Record;

    BasicReaderSlots() = default;
    BasicReaderSlots(const BasicReaderSlots&) = delete;
    BasicReaderSlots& operator=(const BasicReaderSlots&) = delete;

    // --- readers ---

    // Any thread. False: the gate is closed, and the caller has to go by the mutex. A thread that
    // is in already always gets in once more.
    bool try_enter() {
        Record& self = Registry::this_thread();
        Entry& entry = self.entries.front();
        const void* lock = entry.lock.load(std::memory_order_relaxed);
        if (lock == this) {
            ++entry.depth;
            return true;
        }
        if (lock != nullptr || self.others != 0) [[unlikely]]
            return try_enter_elsewhere(self);
        return announce_and_check(entry);
    }

    // The same for a caller that cannot afford a function call at that place, which a refusal and a
    // thread's first time need. It puts `user` into the thread's record.
    enum class Entered : std::uint8_t {
        yes,
        no,                // go by try_enter()
        taken_back_later,  // refused: take_back() has to follow
    };
    Entered try_enter_at_once(void* user) {
        auto* const self = static_cast<Record*>(Platform::thread_record());
        if (self == nullptr || (gate_.load(std::memory_order_relaxed) & biased) == 0) [[unlikely]]
            return Entered::no;
        if (self->user.load(std::memory_order_relaxed) != user) [[unlikely]]
            self->user.store(user, std::memory_order_relaxed);
        Entry& entry = self->entries.front();
        const void* lock = entry.lock.load(std::memory_order_relaxed);
        if (lock == this) {
            ++entry.depth;
            return Entered::yes;
        }
        if (lock != nullptr || self->others != 0) [[unlikely]]
            return Entered::no;
        return announce(entry) ? Entered::yes : Entered::taken_back_later;
    }
    void take_back() { take_back(Registry::this_thread().entries.front()); }

    // The same as try_enter() for a caller that has been refused: also goes in where an owner left
    // the gate openable, and announces nothing in vain.
    bool try_enter_again() {
        std::uint32_t gate = gate_.load(std::memory_order_seq_cst);
        while ((gate & openable) != 0 &&
               !gate_.compare_exchange_strong(gate, (gate & ~openable) | biased,
                                              std::memory_order_seq_cst)) {
        }
        return (gate & (openable | biased)) != 0 && try_enter();
    }

    // Undoes one enter of the calling thread. True when a writer may be looking at the record's
    // `user` at this moment.
    bool leave() {
        Record& self = Registry::this_thread();
        Entry* entry = &self.entries.front();
        if (entry->lock.load(std::memory_order_relaxed) != this) [[unlikely]]
            entry = Registry::find(self, this);
        assert(entry != nullptr && "a thread leaves a lock that it does not hold shared");
        if (entry->depth != 1) {
            --entry->depth;
            return false;
        }
        if (entry != &self.entries.front()) [[unlikely]]
            --self.others;
        return take_back(*entry);
    }

    // How many times the calling thread is in.
    std::uint32_t depth() const {
        const Entry* entry = Registry::find(Registry::this_thread(), this);
        return entry == nullptr ? 0 : entry->depth;
    }

    // Leaves all levels at once and says how many there were.
    std::uint32_t set_aside() {
        Record& self = Registry::this_thread();
        Entry* entry = Registry::find(self, this);
        if (entry == nullptr)
            return 0;
        const std::uint32_t depth = entry->depth;
        if (entry != &self.entries.front())
            --self.others;
        take_back(*entry);
        return depth;
    }

    // --- the owner of the mutex ---

    // Lets the owner itself in, whatever the gate says. It stays in when it gives the mutex up.
    void enter_as_owner(std::uint32_t levels = 1) {
        Record& self = Registry::this_thread();
        if (Entry* entry = Registry::find(self, this)) {
            entry->depth += levels;
            return;
        }
        Entry& entry = Registry::find_free(self);
        if (&entry != &self.entries.front())
            ++self.others;
        entry.depth = levels;
        entry.lock.store(this, Platform::publish);
        if ((gate_.load(std::memory_order_relaxed) & (biased | announced)) == 0)
            gate_.fetch_or(announced, std::memory_order_seq_cst);
    }

    // False: there is nobody to wait for, and nobody can get in. One load.
    bool readers_possible() const { return gate_.load(std::memory_order_relaxed) != closed; }

    // Closes the gate and waits until every other thread is out. `is_out(record)` may say that a
    // reader, though announced, cannot be running, and will not before it has owned the mutex;
    // `record.user` is what the embedding program has put there. `pause(ticket)` is called as often
    // as somebody is still in; it may sleep in wait_for_departure(ticket, deadline). When it
    // returns false the revocation is given up: revoke returns false, nobody is excluded, and the
    // gate stays closed until allow() or open().
    template <class IsOut, class Pause>
    bool revoke(IsOut is_out, Pause pause) {
        bool fenced = close();
        for (;;) {
            const std::uint32_t ticket = departures_.load(std::memory_order_acquire);
            const Presence presence = look_for_readers(is_out);
            if (presence != Presence::running) {
                const bool any = presence == Presence::harmless;
                gate_.store(any ? announced : closed, std::memory_order_relaxed);
                return true;
            }
            if (!fenced) {
                // Those that announced themselves as owners have not been told to wake anybody.
                Platform::heavy_barrier();
                fenced = true;
            } else if (!pause(ticket)) {
                gate_.store(announced, std::memory_order_relaxed);
                return false;
            }
        }
    }

    // Sleeps until a reader has left since revoke() handed out the ticket; may return early.
    void wait_for_departure(std::uint32_t ticket, LockTime deadline) {
        Platform::wait(departures_, ticket, deadline);
    }

    // Gives readers their fast path back, unless the last revocation is too recent. For an owner
    // while nobody is excluded.
    void allow() {
        if ((gate_.load(std::memory_order_relaxed) & biased) != 0)
            return;
        if (inhibited_until_ != 0 && Platform::now() < inhibited_until_)
            return;
        gate_.fetch_or(biased, std::memory_order_seq_cst);
    }

    // Lets readers in while the caller goes on owning the mutex: the first one opens the gate, so
    // that an owner whom nobody visits has nothing to revoke.
    void open() {
        if ((gate_.load(std::memory_order_relaxed) & biased) == 0)
            gate_.fetch_or(openable, std::memory_order_seq_cst);
    }

    // Ends what open() began; readers that are in stay in.
    void end_open() {
        if ((gate_.load(std::memory_order_relaxed) & openable) != 0)
            gate_.fetch_and(~openable, std::memory_order_seq_cst);
    }

  private:
    using Entry = typename Record::Entry;
    template <class T>
    using Atomic = typename Platform::template Atomic<T>;

    // What the gate says, bit by bit.
    static constexpr std::uint32_t closed = 0;
    // An announcement is all that a reader needs.
    static constexpr std::uint32_t biased = 1;
    // There may be announcements although the gate is closed.
    static constexpr std::uint32_t announced = 2;
    // A reader may make it biased.
    static constexpr std::uint32_t openable = 4;
    // A writer waits for readers to leave and wants to be woken.
    static constexpr std::uint32_t draining = 8;

    enum class Presence : std::uint8_t { none, harmless, running };

    bool announce(Entry& entry) {
        entry.depth = 1;
        entry.lock.store(this, Platform::publish);
        Platform::light_barrier();
        return (gate_.load(Platform::observe) & biased) != 0;
    }

    bool announce_and_check(Entry& entry) {
        if (announce(entry)) [[likely]]
            return true;
        take_back(entry);
        return false;
    }

    bool take_back(Entry& entry) {
        entry.lock.store(nullptr, Platform::publish);
        Platform::light_barrier();
        const bool drains = (gate_.load(Platform::observe) & draining) != 0;
        if (drains) [[unlikely]]
            report_departure();
        return drains;
    }

    [[gnu::noinline, gnu::cold]] void report_departure() {
        departures_.fetch_add(1, std::memory_order_release);
        Platform::wake_all(departures_);
    }

    [[gnu::noinline]] bool try_enter_elsewhere(Record& self) {
        if (Entry* entry = Registry::find(self, this)) {
            ++entry->depth;
            return true;
        }
        Entry& entry = Registry::find_free(self);
        const bool entered = announce_and_check(entry);
        if (entered && &entry != &self.entries.front())
            ++self.others;
        return entered;
    }

    // True when it made every thread pass a barrier after the gate was closed.
    bool close() {
        const std::uint32_t before = gate_.exchange(draining, std::memory_order_seq_cst);
        if ((before & biased) == 0)
            return false;
        const LockTime start = Platform::now();
        Platform::heavy_barrier();
        const LockTime end = Platform::now();
        inhibited_until_ = end + Platform::inhibition_factor * (end - start);
        return true;
    }

    template <class IsOut>
    Presence look_for_readers(IsOut& is_out) {
        const Record& self = Registry::this_thread();
        Presence presence = Presence::none;
        for (Record* record = Registry::first(); record != nullptr; record = record->next) {
            for (Entry& entry : record->entries) {
                if (entry.lock.load(Platform::observe) != this)
                    continue;
                Record& primary = *record->primary;
                if (&primary != &self && !is_out(primary))
                    return Presence::running;
                presence = Presence::harmless;
            }
        }
        return presence;
    }

    Atomic<std::uint32_t> gate_{0};
    Atomic<std::uint32_t> departures_{0};
    LockTime inhibited_until_ = 0;
};

using ReaderSlots = BasicReaderSlots<DefaultPlatform>;

}  // namespace pythonnogil
