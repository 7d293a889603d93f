// The guarded entries of the process and their thunks.
//
// A thunk is an address that CPython calls instead of a legacy function. All thunks are assembled
// into .text, one behind the other, and each is bound for good to the entry with the same index; no
// code is made at run time.
//
// Thread-safety: claim() and target_of() may be called from any thread. An entry is filled before
// its thunk is published; afterwards only open() changes it. Errors: claim() throws
// ThunkPoolExhausted; nothing is claimed then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>

#include "shim/compat.hpp"

namespace pythonnogil::shim {

class Domain;

// How a guarded function takes its arguments, as far as the guard must know.
enum class EntryKind : std::uint8_t {
    plain,        // no argument of interest
    one_object,   // (self, object): METH_O and binary slots
    tuple,        // (self, tuple, ...): METH_VARARGS, tp_call, tp_init
    constructor,  // (type, tuple, ...): tp_new
    vector,       // (self, array, count, ...): METH_FASTCALL and vectorcall
    method,       // (self, class, array, count, ...): METH_METHOD
    deallocator,  // (object) whose last reference is gone
    foreign,  // a function of CPython's own that runs legacy code: guarded though it is not legacy
              // itself
};

// What CPython's slots have in common: at most six integer or pointer arguments, and one such
// result.
using EntryFunction = std::intptr_t (*)(std::intptr_t, std::intptr_t, std::intptr_t, std::intptr_t,
                                        std::intptr_t, std::intptr_t);

// The thunks' assembly knows the size of an entry and passes its address; nothing else of it.
struct alignas(32) Entry {
    EntryFunction function;
    Domain* domain;    // null once opened: then the thunk passes straight on
    const char* name;  // for reports; a literal or lives for ever
    EntryKind kind;
};
static_assert(sizeof(Entry) == 32, "keep in step with thunks_*.S");

inline constexpr std::size_t thunk_count = 65536;

class ThunkPoolExhausted : public std::runtime_error {
  public:
    ThunkPoolExhausted();
};

namespace thunk_pool {

// The thunk for `function`, the same one each time for the same function, kind and domain.
void* claim(void* function, EntryKind kind, Domain& domain, const char* name);

bool is_thunk(const void* address);

// Makes the thunk pass straight on to its function: the module has declared that it needs no guard.
void open(void* thunk);

// The function behind a thunk, or the address itself when it is none.
void* target_of(void* address);

// Calls `visit` with the function behind each entry claimed so far and not opened.
void for_each_function(const std::function<void(const void*)>& visit);

}  // namespace thunk_pool

}  // namespace pythonnogil::shim
