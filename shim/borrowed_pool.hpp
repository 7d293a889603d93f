// Strong references behind the borrowed ones that legacy code was handed.
//
// Under a GIL a borrowed reference stays good until the next call that may run Python code. Without
// one, another thread can free the object at any time. So every object that an interposed function
// hands out borrowed is kept alive here until the outermost guarded call of the thread returns.
//
// Thread-safety: one pool a thread, used by that thread only, attached.
// Errors: keep() ends the process when memory runs out, as CPython's own reference bookkeeping
// does.
#pragma once

#include <vector>

#include "shim/compat.hpp"

namespace pythonnogil::shim {

class BorrowedPool {
  public:
    // Takes over one strong reference; immortal objects need none.
    void keep(PyObject* strong);

    // Drops all references; may run arbitrary code, guarded calls of this thread among it.
    void drain() {
        if (!kept_.empty())
            drain_all();
    }

    // The running thread's pool, made at first use and freed when the thread ends.
    static BorrowedPool& of_this_thread();

  private:
    void drain_all();
    void drop_duplicates();

    std::vector<PyObject*> kept_;
    std::size_t duplicates_limit_ = 4096;
};

// Turns a new reference into a borrowed one that stays good until the outermost guarded call
// returns. Null passes.
PyObject* lend(PyObject* strong);

}  // namespace pythonnogil::shim
