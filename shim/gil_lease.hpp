// The GIL lease: turns the real GIL of a free-threaded interpreter on while legacy code of scope
// `interpreter` runs, and off again.
//
// CPython turns a transient GIL on around every init function that _imp.create_dynamic calls, and
// off again when the module declares that it is safe (Python/import.c, 3.13). A keeper thread that
// sits in such an init function, detached, therefore holds a lease on the GIL. Code that needs the
// GIL pins the lease; the keeper ends it when it has not been pinned for about as long as it took
// to get it. Nothing of CPython's internals is used.
//
// Thread-safety: all functions may be called from any thread of the main interpreter, attached.
// pin() may wait, detached. Errors: configure() and pin() return false with an exception set.
//
// fork: a lease that nobody has pinned is ended before. A pinned one stays: the child has no keeper
// to end it, so there the GIL stays on for good. Shutdown: the keeper ends in an atexit function;
// while the interpreter is finalized no other thread can run, and pin() does nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "shim/compat.hpp"

namespace pythonnogil::shim::gil_lease {

// Why there can be no lease in this interpreter, as the end of a sentence about it; or nothing.
std::optional<std::string> obstacle();

// Before anything else, once. `create_dynamic` is CPython's own function of that name, and `file`
// the file of a library whose PyInit__gil_lease returns sit_in_init_function().
bool configure(PyObject* create_dynamic, const std::string& file);

// Returns with the GIL on and held by this thread. It stays on until unpin() has been called as
// often as pin(), also while the thread is detached; then each attached thread holds the GIL in
// turn.
bool pin();
void unpin();

// What the init function of the module _gil_lease does: on the keeper's thread, sit. It fails in
// the end, because a module would be garbage to be collected after each lease.
PyObject* sit_in_init_function();

// How many leases there have been in this process.
std::uint64_t leases();

// One pin for the length of a scope.
class Pin {
  public:
    Pin() : pinned_(pin()) {}
    ~Pin() { release(); }

    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;

    // False with an exception set: the GIL is not on.
    bool pinned() const { return pinned_; }

    void release() {
        if (pinned_)
            unpin();
        pinned_ = false;
    }

  private:
    bool pinned_;
};

}  // namespace pythonnogil::shim::gil_lease
