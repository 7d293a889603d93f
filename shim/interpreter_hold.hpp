// The guard of scope `interpreter`: the real GIL is on, and the domain taken, for the length of a
// scope.
//
// Pinning comes first: it may have to wait, detached, which would suspend a hold of the domain.
// Thread-safety and unwinding: as ExclusiveHold. Errors: held() is false, with an exception set,
// when the GIL could not be turned on; the legacy code must not be called then.
#pragma once

#include "shim/exclusive_hold.hpp"
#include "shim/gil_lease.hpp"

namespace pythonnogil::shim {

class InterpreterHold {
  public:
    explicit InterpreterHold(Domain& domain, PyObject* argument = nullptr)
        : hold_(domain, argument) {}

    bool held() const { return pin_.pinned(); }

    // Ends the hold before its scope ends; the destructor then has nothing left to do.
    void leave() {
        hold_.leave();
        pin_.release();
    }

  private:
    gil_lease::Pin pin_;  // made first, released last
    ExclusiveHold hold_;
};

}  // namespace pythonnogil::shim
