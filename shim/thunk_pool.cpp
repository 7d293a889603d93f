#include "shim/thunk_pool.hpp"

#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "shim/fork_mutex.hpp"

extern "C" {
// Defined by thunks_<architecture>.S: thunk_count blocks of thunk_size bytes.
extern const char pythonnogil_thunks[] __attribute__((visibility("hidden")));
__attribute__((visibility("hidden"))) constinit pythonnogil::shim::Entry
    pythonnogil_entries[pythonnogil::shim::thunk_count]{};
}

namespace pythonnogil::shim {

namespace {

constexpr std::size_t thunk_size = 16;

// Names that come and go must not use the thunks up.
constexpr std::size_t names_of_one_function = 4096;

// The last one is a name or a site, or null.
using Identity = std::tuple<void*, EntryKind, Guarding, const void*>;

std::mutex mutex;  // guards pool(); never held while Python code runs

[[maybe_unused]] const int mutex_is_held_across_fork = hold_across_fork<mutex>();

struct Pool {
    std::map<Identity, std::size_t> index_of;
    std::deque<Identity> identities;  // by index
    std::map<const void*, std::size_t> names_of;
    std::set<std::string> names;
    std::deque<EntryOrigin> origins;  // by index; what is in it stays where it is
    bool observes = false;
    std::size_t next = 0;
};

Entry& entry_at_thunk(const void* thunk) {
    const auto offset = static_cast<const char*>(thunk) - pythonnogil_thunks;
    return pythonnogil_entries[static_cast<std::size_t>(offset) / thunk_size];
}

// Never destroyed: threads may claim entries while the process ends.
Pool& pool() {
    static Pool* const instance = new Pool;
    return *instance;
}

bool is_guarded(Access access) {
    return access < Access::open;
}

void open_as(void* thunk, Access access) {
    Pool& claimed_pool = pool();
    const std::lock_guard lock(mutex);
    Entry& entry = entry_at_thunk(thunk);
    // Another module's claim of the same function gets a thunk of its own, guarded.
    const std::size_t index = thunk_pool::index_of(entry);
    const auto place = claimed_pool.index_of.find(claimed_pool.identities[index]);
    if (place != claimed_pool.index_of.end() && place->second == index)
        claimed_pool.index_of.erase(place);
    entry.own_access = access;
    entry.access = access;
}

}  // namespace

ThunkPoolExhausted::ThunkPoolExhausted()
    : std::runtime_error(
          "all " + std::to_string(thunk_count) +
          " guarded entries of this process are in use; import fewer legacy modules, "
          "or run them with PYTHONNOGIL_MODE=off, which turns the GIL on") {}

namespace thunk_pool {

void* claim(void* function, EntryKind kind, const Guarding& guarding, const std::string& name,
            NameOf name_of, const EntryOrigin& origin) {
    Pool& claimed_pool = pool();
    const std::lock_guard lock(mutex);
    const char* const kept_name = claimed_pool.names.insert(name).first->c_str();
    const void* distinct = nullptr;
    if (name_of != NameOf::slot && claimed_pool.names_of[function] < names_of_one_function)
        distinct = name_of == NameOf::function ? kept_name : origin.site;
    const Identity identity{function, kind, guarding, distinct};
    const auto [place, is_new] = claimed_pool.index_of.try_emplace(identity, claimed_pool.next);
    if (is_new) {
        if (claimed_pool.next == thunk_count) {
            claimed_pool.index_of.erase(place);
            throw ThunkPoolExhausted();
        }
        claimed_pool.origins.push_back(origin);
        claimed_pool.identities.push_back(identity);
        claimed_pool.names_of[function] += distinct != nullptr ? 1 : 0;
        const bool observed = claimed_pool.observes && is_guarded(guarding.access);
        pythonnogil_entries[claimed_pool.next++] =
            Entry{reinterpret_cast<EntryFunction>(function),
                  guarding.domain,
                  kept_name,
                  kind,
                  observed ? Access::observed : guarding.access,
                  guarding.locks_arguments,
                  guarding.failure,
                  guarding.access};
    }
    return const_cast<char*>(pythonnogil_thunks + place->second * thunk_size);
}

bool is_thunk(const void* address) {
    const auto offset = reinterpret_cast<std::uintptr_t>(address) -
                        reinterpret_cast<std::uintptr_t>(pythonnogil_thunks);
    return offset < thunk_count * thunk_size;
}

EntryFunction thunk_of(const Entry& entry) {
    return reinterpret_cast<EntryFunction>(
        const_cast<char*>(pythonnogil_thunks + index_of(entry) * thunk_size));
}

const Entry& entry_of(const void* thunk) {
    return entry_at_thunk(thunk);
}

void observe(bool on) {
    const std::lock_guard lock(mutex);
    pool().observes = on;
    for (std::size_t i = 0; i < pool().next; ++i) {
        Entry& entry = pythonnogil_entries[i];
        if (is_guarding(entry))
            entry.access = on ? Access::observed : static_cast<Access>(entry.own_access);
    }
}

const Entry& entry_at(std::size_t index) {
    return pythonnogil_entries[index];
}

void open(void* thunk) {
    open_as(thunk, Access::open);
}

void let_switch_stacks(void* thunk) {
    open_as(thunk, Access::switching);
}

Guarding guarding_of(void* thunk) {
    const Entry& entry = entry_at_thunk(thunk);
    return {entry.domain, entry.own_access, entry.locks_arguments, entry.failure};
}

void move_entries(Domain& from, Domain& into) {
    const std::lock_guard lock(mutex);
    for (std::size_t i = 0; i < pool().next; ++i) {
        if (pythonnogil_entries[i].domain == &from)
            pythonnogil_entries[i].domain = &into;
    }
}

bool is_guarding(const void* thunk) {
    return is_guarding(entry_at_thunk(thunk));
}

bool is_guarding(const Entry& entry) {
    return is_guarded(entry.own_access);
}

bool only_witnesses(const void* thunk) {
    const Access access = entry_at_thunk(thunk).own_access;
    return access == Access::witnessed || access == Access::witnessed_on_receiver;
}

const EntryOrigin& origin_of(const Entry& entry) {
    const std::lock_guard lock(mutex);
    return pool().origins[index_of(entry)];
}

void* target_of(void* address) {
    return is_thunk(address) ? reinterpret_cast<void*>(entry_at_thunk(address).function) : address;
}

void for_each_function(const std::function<void(const void*)>& visit) {
    std::size_t claimed = 0;
    {
        const std::lock_guard lock(mutex);
        claimed = pool().next;
    }
    for (std::size_t i = 0; i < claimed; ++i) {
        if (is_guarding(pythonnogil_entries[i]))
            visit(reinterpret_cast<const void*>(pythonnogil_entries[i].function));
    }
}

void for_each_entry(const std::function<void(const ClaimedEntry&)>& visit) {
    std::vector<ClaimedEntry> claimed;
    {
        const std::lock_guard lock(mutex);
        for (std::size_t i = 0; i < pool().next; ++i)
            claimed.push_back({i, pythonnogil_entries[i], pool().origins[i]});
    }
    for (const ClaimedEntry& entry : claimed)
        visit(entry);
}

}  // namespace thunk_pool

}  // namespace pythonnogil::shim
