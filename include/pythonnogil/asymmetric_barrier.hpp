// The two halves of an asymmetric barrier: readers pay for a compiler barrier, and the thread that
// wants to see what they announced pays for all of them, with the system call membarrier.
//
// If every running thread executes either light() between two accesses of its own, or has heavy()
// executed by somebody else meanwhile, the two pair up as two full fences would: the kernel runs a
// full fence on each processor that runs a thread of this process, and that fence falls either
// before or after the reader's accesses, never into the wrong order.
//
// Where the kernel has no private expedited membarrier, light() is a full fence. That is decided
// once, when the process starts (or the library is loaded), before there are threads that use it.
//
// Thread-safety: any thread. Errors: a kernel that refuses membarrier after it has accepted the
// registration (a system call filter installed later) ends the process with one line, because
// readers rely on it by then.
// Sources: membarrier(2).
#pragma once

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace pythonnogil::asymmetric_barrier {

inline bool register_process() {
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

// False until it is initialized, when light() is a full fence: costly, but never wrong.
inline const bool available = register_process();

inline void light() {
    if (available) [[likely]] {
        std::atomic_signal_fence(std::memory_order_seq_cst);
    } else {
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }
}

inline void heavy() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!available)
        return;
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0) {
        std::fputs(
            "pythonnogil: the kernel refuses membarrier, which it allowed when the process "
            "started; allow this system call in the process's filter\n",
            stderr);
        std::abort();
    }
}

}  // namespace pythonnogil::asymmetric_barrier
