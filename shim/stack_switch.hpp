// Calls that come back on another C stack, as those of greenlet do.
//
// Holds and sections are linked through objects on the stack, which is no longer there while
// another one runs. And a GIL would go on from one stack to the next, while a section that is out
// of sight is never given up. So such a call is made with nothing held: as around a blocking call,
// the thread gives its sections up before it and takes the top-most one again after it, on the same
// stack.
//
// Thread-safety: the running thread's own record; a stack is only ever resumed by its own thread.
#pragma once

#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim {

std::intptr_t call_that_switches_stacks(const Entry& entry, std::intptr_t a0, std::intptr_t a1,
                                        std::intptr_t a2, std::intptr_t a3, std::intptr_t a4,
                                        std::intptr_t a5);

}  // namespace pythonnogil::shim
