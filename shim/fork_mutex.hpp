// A mutex that is held across fork: a child forked while another thread holds it would find it
// locked for ever.
//
// Thread-safety: to be called once for each mutex, when the library is loaded. Errors: the number
// of pthread_atfork. Knows nothing of CPython.
#pragma once

#include <pthread.h>

#include <mutex>

namespace pythonnogil::shim {

template <std::mutex& mutex>
int hold_across_fork() {
    return ::pthread_atfork([] { mutex.lock(); }, [] { mutex.unlock(); }, [] { mutex.unlock(); });
}

}  // namespace pythonnogil::shim
