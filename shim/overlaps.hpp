// Evidence: which functions of unguarded legacy modules ran at the same time, and how often. Nobody
// is kept out; each call only says that it is there, and looks who else is.
//
// What counts. When a call begins, each call into the same module that another thread is inside of,
// attached, counts as one overlap: of two calls that begin at once, the later one counts it. A call
// that is detached at that moment is let pass, as a GIL would have let it pass; if it is back
// before one of the two ends, that counts. A detachment that begins and ends in between is not
// seen. Calls that another call makes count for themselves, and so does the call that made them.
//
// What it costs: two atomic additions and a look at each thread that has ever called such a module
// at the same time as others, so some ten nanoseconds and a few for each of these threads. Memory
// is bounded: one record for each such thread, used again when the thread has ended, and a fixed
// table of pairs of functions. Of calls nested deeper than `announced_calls`, the inner ones are
// not announced: they see others, but are not seen.
//
// Thread-safety: any thread; no locks. Errors: std::bad_alloc from the first call of a thread.
// fork: the child keeps the counts, and forgets the calls of the other threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "shim/compat.hpp"
#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim::overlaps {

inline constexpr std::size_t announced_calls = 16;

// Modules that are imported from now on, and would run unguarded, are recorded.
void record();
bool are_recorded();

// One call, for the length of a scope on the stack of its thread. `receiver` is the object that
// the function is called on, or null; it is never touched.
class Call {
  public:
    Call(const Entry& entry, const PyObject* receiver);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

  private:
    struct Thread* self_;
    std::uint32_t depth_ = 0;
};

struct Overlap {
    std::string module;
    std::string first;  // in the order of their names
    std::string second;
    bool same_object;
    std::uint64_t count;
};

// In the order of modules and functions. What found no place in the table is a warning in the log.
std::vector<Overlap> all();

}  // namespace pythonnogil::shim::overlaps
