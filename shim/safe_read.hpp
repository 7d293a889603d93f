// Reads memory that may be gone: of another thread's stack, or of a thread state that is being
// freed. The kernel copies it, and says so when it cannot.
//
// Thread-safety: any thread; async-signal-safe. Errors: false, where the memory cannot be read, or
// the system call is forbidden (some sandboxes).
#pragma once

#include <sys/uio.h>
#include <unistd.h>

namespace pythonnogil::shim {

template <typename Value>
bool safe_read(const void* from, Value& to) {
    iovec here{&to, sizeof(to)};
    iovec there{const_cast<void*>(from), sizeof(to)};
    return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == static_cast<ssize_t>(sizeof(to));
}

}  // namespace pythonnogil::shim
