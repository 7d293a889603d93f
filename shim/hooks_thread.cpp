// Foreign threads: a thread that the extension or its library started calls into Python through
// PyGILState_Ensure, and expects to hold the GIL from then on. It holds the guard.

#include <memory>
#include <vector>

#include "shim/exclusive_hold.hpp"
#include "shim/hooks.hpp"

namespace pythonnogil::shim::hooks {

namespace {

// One hold for each PyGILState_Ensure that was not released yet. They nest, so the last is the
// innermost.
thread_local std::vector<std::unique_ptr<ExclusiveHold>> ensured;

}  // namespace

PyGILState_STATE PyGILState_Ensure() {
    const PyGILState_STATE state = ::PyGILState_Ensure();
    ensured.push_back(std::make_unique<ExclusiveHold>(process_domain()));
    return state;
}

void PyGILState_Release(PyGILState_STATE state) {
    if (!ensured.empty()) {
        ensured.back()->leave();
        ensured.pop_back();
    }
    ::PyGILState_Release(state);
}

}  // namespace pythonnogil::shim::hooks
