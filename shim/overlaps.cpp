#include "shim/overlaps.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <tuple>
#include <utility>

#include "shim/domain.hpp"
#include "shim/log.hpp"

namespace pythonnogil::shim::overlaps {

namespace {

// So many detached calls are remembered when a call begins; of more, some are not seen coming back.
constexpr std::size_t passed_calls = 4;

// A call that has announced itself.
//
// | member | written by | read by |
// |--------|------------|---------|
// | entry, receiver, thread | the owner, before the depth says that the call is there | anyone |
// | turn | the owner: 0 while it is asking for its turn | anyone |
// | passed | the owner, when it begins while other calls are detached: their turns | whoever of the
// two ends first, and takes the turn out |
// | was_passed | whoever passed this call | the owner |
struct Announced {
    std::atomic<const Entry*> entry{nullptr};
    std::atomic<const PyObject*> receiver{nullptr};
    std::atomic<const PyThreadState*> thread{nullptr};
    std::atomic<std::uint64_t> turn{0};
    std::array<std::atomic<std::uint64_t>, passed_calls> passed{};
    std::atomic<bool> was_passed{false};

    void note_passed(std::uint64_t other) {
        const auto place =
            std::ranges::find(passed, 0U, [](const auto& turn) { return turn.load(); });
        if (place != passed.end())
            place->store(other);
    }
    bool has_passed() const {
        return std::ranges::any_of(passed, [](const auto& turn) { return turn.load() != 0; });
    }
    // True once for each call that was passed.
    bool take_out(std::uint64_t other) {
        return std::ranges::any_of(passed, [&](auto& turn) {
            std::uint64_t expected = other;
            return turn.compare_exchange_strong(expected, 0);
        });
    }
};

// What was read of a call of another thread.
struct Seen {
    const Entry* entry;
    const PyObject* receiver;
    std::uint64_t turn;
    bool is_attached;
};

}  // namespace

// The calls of one OS thread. Never freed; the next thread uses it again.
struct alignas(64) Thread {
    std::atomic<std::uint32_t> depth{0};
    // A thread state that is being looked at must not go away, so its owner waits for these.
    std::atomic<std::uint32_t> lookers{0};
    std::atomic<bool> in_use{true};
    Thread* next = nullptr;  // written before the record is published
    std::array<Announced, announced_calls> calls;
};

namespace {

std::atomic<bool> recorded{false};
std::atomic<Thread*> newest{nullptr};
std::atomic<std::uint64_t> last_turn{0};

// Gives the record back when the thread ends.
class Place {
  public:
    ~Place() {
        if (thread_ != nullptr)
            thread_->in_use.store(false, std::memory_order_release);
    }
    Thread& get() {
        if (thread_ == nullptr)
            thread_ = &take();
        return *thread_;
    }
    Thread* get_if_any() const { return thread_; }

  private:
    static Thread& take() {
        for (Thread* thread = newest.load(); thread != nullptr; thread = thread->next) {
            bool in_use = false;
            if (thread->in_use.compare_exchange_strong(in_use, true))
                return *thread;
        }
        auto* const thread = new Thread;
        thread->next = newest.load();
        while (!newest.compare_exchange_weak(thread->next, thread)) {
        }
        return *thread;
    }

    Thread* thread_ = nullptr;
};

thread_local Place place;

// The other threads that were inside are not in this process.
void after_fork_in_child() {
    for (Thread* thread = newest.load(); thread != nullptr; thread = thread->next) {
        thread->lookers.store(0);
        if (thread == place.get_if_any())
            continue;
        thread->depth.store(0);
        thread->in_use.store(false);
    }
}

// --- counting: a table of pairs, each with a key that no other pair has ---

struct Cell {
    std::atomic<std::uint64_t> key{0};
    std::atomic<std::uint64_t> count{0};
};

constexpr std::size_t cell_count = 8192;  // a power of two
constexpr unsigned index_bits = 16;
static_assert(thunk_count <= std::size_t{1} << index_bits);

constinit std::array<Cell, cell_count> cells{};
std::atomic<std::uint64_t> without_cell{0};

std::uint64_t key_of(const Entry& one, const Entry& other, bool same_object) {
    const std::uint64_t low = std::min(thunk_pool::index_of(one), thunk_pool::index_of(other));
    const std::uint64_t high = std::max(thunk_pool::index_of(one), thunk_pool::index_of(other));
    const std::uint64_t never_zero = 1;
    return (((high << index_bits | low) << 1 | (same_object ? 1 : 0)) << 1) | never_zero;
}

bool is_of(Cell& cell, std::uint64_t key) {
    std::uint64_t present = cell.key.load(std::memory_order_relaxed);
    return present == key ||
           (present == 0 && (cell.key.compare_exchange_strong(present, key) || present == key));
}

void count(const Entry& one, const Entry& other, bool same_object) {
    const std::uint64_t key = key_of(one, other, same_object);
    const std::uint64_t start = key * 0x9E3779B97F4A7C15U >> 32;  // Fibonacci hashing
    for (std::size_t i = 0; i < cell_count; ++i) {
        Cell& cell = cells[(start + i) % cell_count];
        if (is_of(cell, key)) {
            cell.count.fetch_add(1, std::memory_order_relaxed);
            return;
        }
    }
    without_cell.fetch_add(1, std::memory_order_relaxed);
}

// --- looking ---

// Calls `visit` with each call that another thread is inside of, as long as it stays inside.
template <typename Visit>
void for_each_other(const Thread* self, Visit visit) {
    for (Thread* thread = newest.load(); thread != nullptr; thread = thread->next) {
        if (thread == self || thread->depth.load() == 0)
            continue;
        thread->lookers.fetch_add(1);
        for (std::uint32_t i = 0; i < std::min<std::size_t>(thread->depth.load(), announced_calls);
             ++i)
            visit(*thread, i);
        thread->lookers.fetch_sub(1);
    }
}

bool is_there(const Thread& thread, std::uint32_t index) {
    return thread.depth.load() > index;
}

// Reads one call; false when it has ended meanwhile. One that takes its place begins after whoever
// looks, and counts the overlap itself.
bool read(const Thread& thread, std::uint32_t index, Seen& seen) {
    const Announced& call = thread.calls[index];
    while ((seen.turn = call.turn.load()) == 0) {
        if (!is_there(thread, index))
            return false;
        sched_yield();  // it is about to get its turn
    }
    seen.entry = call.entry.load();
    seen.receiver = call.receiver.load();
    const PyThreadState* const state = call.thread.load();
    if (!is_there(thread, index) || call.turn.load() != seen.turn)
        return false;
    seen.is_attached = is_attached(state);
    return true;
}

bool is_same(const PyObject* one, const PyObject* other) {
    return one != nullptr && one == other;
}

// The beginning of a call: whoever is inside the module counts, or is passed while it is detached.
void look_around(const Thread* self, const Entry& entry, const PyObject* receiver,
                 std::uint64_t turn, Announced* own) {
    const Domain* const module = entry.domain;
    for_each_other(self, [&](Thread& thread, std::uint32_t index) {
        Seen seen{};
        if (!read(thread, index, seen) || seen.turn > turn || seen.entry->domain != module)
            return;
        if (seen.is_attached) {
            count(*seen.entry, entry, is_same(seen.receiver, receiver));
        } else if (own != nullptr) {
            own->note_passed(seen.turn);
            thread.calls[index].was_passed.store(true);
        }
    });
}

// The end of a call that began while another one was detached, or that others passed while it was:
// if both are inside now, they overlap. Only one of the two finds the note.
void look_back(const Thread* self, Announced& own) {
    const std::uint64_t turn = own.turn.load();
    for_each_other(self, [&](Thread& thread, std::uint32_t index) {
        Seen seen{};
        if (!read(thread, index, seen) || !seen.is_attached)
            return;
        if (own.take_out(seen.turn) || thread.calls[index].take_out(turn))
            count(*seen.entry, *own.entry.load(), is_same(seen.receiver, own.receiver.load()));
    });
}

}  // namespace

void record() {
    static const int registered = pthread_atfork(nullptr, nullptr, after_fork_in_child);
    (void)registered;
    recorded.store(true, std::memory_order_relaxed);
}

bool are_recorded() {
    return recorded.load(std::memory_order_relaxed);
}

Call::Call(const Entry& entry, const PyObject* receiver) : self_(nullptr) {
    const PyThreadState* const state = PyThreadState_GetUnchecked();
    if (state == nullptr)
        return;
    self_ = &place.get();
    depth_ = self_->depth.load(std::memory_order_relaxed);
    Announced* const own = depth_ < announced_calls ? &self_->calls[depth_] : nullptr;
    if (own != nullptr) {
        own->turn.store(0);
        own->entry.store(&entry, std::memory_order_relaxed);
        own->receiver.store(receiver, std::memory_order_relaxed);
        own->thread.store(state, std::memory_order_relaxed);
        for (auto& passed : own->passed)
            passed.store(0, std::memory_order_relaxed);
        own->was_passed.store(false, std::memory_order_relaxed);
    }
    // First be seen, then ask for a turn, then look: whoever has an earlier turn can be seen.
    self_->depth.store(depth_ + 1);
    const std::uint64_t turn = last_turn.fetch_add(1) + 1;
    if (own != nullptr)
        own->turn.store(turn);
    look_around(self_, entry, receiver, turn, own);
}

Call::~Call() {
    if (self_ == nullptr)
        return;
    if (depth_ < announced_calls) {
        Announced& own = self_->calls[depth_];
        if (own.has_passed() || own.was_passed.load())
            look_back(self_, own);
    }
    // Calls further in that ended without passing here, by longjmp, end with this one.
    self_->depth.store(depth_);
    while (self_->lookers.load() != 0)
        sched_yield();
}

std::vector<Overlap> all() {
    std::map<std::tuple<std::string, std::string, std::string, bool>, std::uint64_t> by_name;
    constexpr std::uint64_t mask = (std::uint64_t{1} << index_bits) - 1;
    for (const Cell& cell : cells) {
        const std::uint64_t key = cell.key.load();
        if (key == 0)
            continue;
        const Entry& one = thunk_pool::entry_at(key >> 2 & mask);
        const Entry& other = thunk_pool::entry_at(key >> 2 >> index_bits & mask);
        const Domain* const module = one.domain;
        std::string first = one.name;
        std::string second = other.name;
        if (second < first)
            std::swap(first, second);
        by_name[{module->name(), first, second, (key & 2) != 0}] += cell.count.load();
    }
    if (const std::uint64_t lost = without_cell.load(); lost != 0)
        log_warning("the table of overlaps is full: " + std::to_string(lost) +
                    " overlaps of further pairs of functions are not in it");
    std::vector<Overlap> overlaps;
    for (const auto& [names, times] : by_name) {
        const auto& [module, first, second, same_object] = names;
        overlaps.push_back({module, first, second, same_object, times});
    }
    return overlaps;
}

}  // namespace pythonnogil::shim::overlaps
