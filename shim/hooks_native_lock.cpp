// Locks of the C and C++ runtime that legacy code takes while it is inside.
//
// A GIL is not given up in a plain C-API call, so legacy code can rely on it to hold a lock of its
// own, or to be in the initializer of a function-local static, across such a call. Here CPython may
// suspend the guard there, when a lock of its own is contended, and another thread gets in and
// waits for the first one's lock. It waits detached, so that the first can go on.

#include <cxxabi.h>
#include <pthread.h>

#include <cerrno>

#include "shim/exclusive_hold.hpp"
#include "shim/hooks.hpp"
#include "shim/recorder.hpp"

namespace pythonnogil::shim::hooks {

namespace {

template <typename Wait>
int wait_detached(Wait wait) {
    if (!inside_guarded_call() || PyThreadState_GetUnchecked() == nullptr)
        return wait();
    recorder::leave();
    PyThreadState* const thread = ::PyEval_SaveThread();
    const int result = wait();
    ::PyEval_RestoreThread(thread);
    recorder::come_back();
    return result;
}

}  // namespace

// Called only while the static is not initialized yet (Itanium C++ ABI, section 3.3.3). The
// initializer itself runs when this has returned, attached and guarded.
int cxa_guard_acquire(void* guard) {
    return wait_detached(
        [guard] { return abi::__cxa_guard_acquire(static_cast<abi::__guard*>(guard)); });
}

// A robust mutex whose owner has died is taken, and says so.
int lock_pthread_mutex(pthread_mutex_t* mutex) {
    const int tried = pthread_mutex_trylock(mutex);
    if (tried != EBUSY)
        return tried;
    return wait_detached([mutex] { return ::pthread_mutex_lock(mutex); });
}

}  // namespace pythonnogil::shim::hooks
