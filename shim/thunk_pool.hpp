// The guarded entries of the process and their thunks.
//
// A thunk is an address that CPython calls instead of a legacy function. All thunks are assembled
// into .text, one behind the other, and each is bound for good to the entry with the same index; no
// code is made at run time.
//
// Thread-safety: claim() and target_of() may be called from any thread. An entry is filled before
// its thunk is published; afterwards only open() and move_entries() change it. Errors: claim()
// throws ThunkPoolExhausted; nothing is claimed then.
//
// Knows nothing of CPython, so that it is tested without an interpreter.
#pragma once

#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

namespace pythonnogil::shim {

class Domain;

// How a guarded function takes its arguments, as far as the guard must know.
enum class EntryKind : std::uint8_t {
    plain,            // no argument of interest
    one_object,       // (self, object): METH_O and binary slots
    tuple,            // (self, tuple, ...): METH_VARARGS, tp_call, tp_init
    function_object,  // the same for tp_call of a type whose instances are all functions
    vector,           // (self, array, count, ...): METH_FASTCALL and vectorcall
    method,           // (self, class, array, count, ...): METH_METHOD
    foreign,      // a function of CPython's own that runs legacy code or reads its data: guarded
                  // though it is not legacy itself
    inner_loop,   // no argument of interest, and not guarded where it is called detached
    constructor,  // (type, tuple, ...): tp_new. This and those below are called in ways of their
                  // own
    deallocator,  // (object) whose last reference is gone
    finalizer,    // (object) that may be what the collector takes for garbage
    watcher,      // no argument of interest, but CPython calls it in the middle of a change
};

// What CPython's slots have in common: at most six integer or pointer arguments, and one such
// result.
using EntryFunction = std::intptr_t (*)(std::intptr_t, std::intptr_t, std::intptr_t, std::intptr_t,
                                        std::intptr_t, std::intptr_t);

// How a call enters its domain. From `open` on nothing guards it.
enum class Access : std::uint8_t {
    exclusive,    // alone
    shared,       // together with other readers
    receiver,     // locking only the object that it is called on
    interpreter,  // alone in the interpreter: with the GIL on
    main_thread,  // alone, and on the main thread
    open,         // not at all: the module declared, after all, that it needs no guard
    switching,    // nor while it lasts: with nothing held, since it may end on another C stack
    observed,     // as its own_access says, and recorded (see recorder.hpp)
    witnessed,    // not at all, but overlaps are recorded (see overlaps.hpp)
    witnessed_on_receiver,  // the same for a function that is called on an object
};

// How one function is guarded.
struct Guarding {
    Domain* domain;
    Access access = Access::exclusive;
    bool locks_arguments = true;
    // What the function returns when it fails: 0 for a pointer, -1 for an int.
    std::int8_t failure = 0;

    auto operator<=>(const Guarding&) const = default;
};

// A member that changes while calls are under way. A call that reads the old value came a moment
// earlier, so no order is needed. Constant to construct: entries are zero pages until claimed.
template <typename Value>
class Relaxed {
  public:
    constexpr Relaxed() = default;
    Relaxed(Value value) : value_(value) {}
    Relaxed(const Relaxed& other) : value_(other) {}
    Relaxed& operator=(const Relaxed& other) { return *this = static_cast<Value>(other); }
    Relaxed& operator=(Value value) {
        value_.store(value, std::memory_order_relaxed);
        return *this;
    }
    operator Value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<Value> value_{};
};

// The thunks' assembly knows the size of an entry and passes its address; nothing else of it.
struct alignas(32) Entry {
    EntryFunction function;
    Relaxed<Domain*> domain;  // changes when domains are merged
    const char* name;         // for reports; lives for ever
    EntryKind kind;
    Relaxed<Access> access;  // what the dispatcher goes by: own_access, or observed
    bool locks_arguments;
    std::int8_t failure;
    Relaxed<Access> own_access;  // changes to open or switching
};
static_assert(sizeof(Entry) == 32, "keep in step with thunks_*.S");

inline constexpr std::size_t thunk_count = 65536;

extern "C" {
// Read by the thunks. Zero pages until claimed.
extern Entry pythonnogil_entries[thunk_count] __attribute__((visibility("hidden")));
}

// Where an entry comes from, for reports.
struct EntryOrigin {
    const void* site = nullptr;  // an address in the module; null: the function's own
    std::string module = {};     // that was being imported; empty: none
    std::string path = {};       // of its file
};

struct ClaimedEntry {
    std::size_t index;
    const Entry& entry;
    const EntryOrigin& origin;
};

class ThunkPoolExhausted : public std::runtime_error {
  public:
    ThunkPoolExhausted();
};

namespace thunk_pool {

// What tells entries of the same C function apart: nothing, the name, which one C function may have
// many of, or the site of their origin. Very many of one function share the entry that came first.
enum class NameOf : std::uint8_t { slot, function, site };

// The thunk for `function`, the same one each time for the same function, kind, guarding, and
// whatever else tells it apart.
void* claim(void* function, EntryKind kind, const Guarding& guarding, const std::string& name,
            NameOf name_of = NameOf::slot, const EntryOrigin& origin = {});

bool is_thunk(const void* address);

EntryFunction thunk_of(const Entry& entry);
const Entry& entry_of(const void* thunk);

inline std::size_t index_of(const Entry& entry) {
    return static_cast<std::size_t>(&entry - pythonnogil_entries);
}

const Entry& entry_at(std::size_t index);

// Whether entries that are guarded, those to come as well, are recorded from now on.
void observe(bool on);

// Makes the thunk pass straight on to its function: the module has declared that it needs no guard.
void open(void* thunk);

// How the function behind a thunk is guarded.
Guarding guarding_of(void* thunk);

// Makes all entries of one domain enter another.
void move_entries(Domain& from, Domain& into);

// Whether a thunk still guards its function; false for one that was opened.
bool is_guarding(const void* thunk);

bool is_guarding(const Entry& entry);

// Whether it keeps nobody out, but has calls recorded.
bool only_witnesses(const void* thunk);

// The same as open() for a function that may come back on another C stack.
void let_switch_stacks(void* thunk);

// The function behind a thunk, or the address itself when it is none.
void* target_of(void* address);

// Lives for ever, as the entry does.
const EntryOrigin& origin_of(const Entry& entry);

// Calls `visit` with the function behind each entry claimed so far and not opened.
void for_each_function(const std::function<void(const void*)>& visit);

// The same with each entry claimed so far, opened or not.
void for_each_entry(const std::function<void(const ClaimedEntry&)>& visit);

}  // namespace thunk_pool

}  // namespace pythonnogil::shim
