#include "loader/core/life.hpp"

#include <atomic>

#include "loader/core/module_records.hpp"
#include "shim/log.hpp"

#ifdef Py_GIL_DISABLED
#include "shim/domain.hpp"
#include "shim/quarantine.hpp"
#endif

namespace pythonnogil::loader {

namespace {

std::atomic<bool> end_of_runtime_is_followed{false};

#ifdef Py_GIL_DISABLED
void forget_threads_and_objects() {
    shim::for_each_domain([](shim::Domain& domain) { domain.take_from_ended_threads(0); });
    shim::quarantine::forget();
}
void free_objects(void*) {
    shim::quarantine::sweep();
}
#else
void forget_threads_and_objects() {}
void free_objects(void*) {}
#endif

// No interpreter is left when this runs.
void at_end_of_runtime() {
    module_records::clear();
    forget_threads_and_objects();
    end_of_runtime_is_followed = false;
}

}  // namespace

bool follow_life() {
    if (!end_of_runtime_is_followed.exchange(true) && Py_AtExit(at_end_of_runtime) < 0)
        shim::log_warning(
            "CPython takes no more exit callbacks; if the runtime is started again in "
            "this process, it will still list the modules of this life");
    PyInterpreterState* const interpreter = PyInterpreterState_Get();
    // The end of the main one is the end of the runtime.
    return interpreter == PyInterpreterState_Main() ||
           PyUnstable_AtExit(interpreter, free_objects, nullptr) == 0;
}

}  // namespace pythonnogil::loader
