// Foreign threads: a thread that the extension or its library started calls into Python, through
// PyGILState_Ensure or by attaching a thread state of its own (pybind11 does), and expects to hold
// the GIL from then on. It holds the guard.

#include <memory>
#include <vector>

#include "shim/exclusive_hold.hpp"
#include "shim/guard_plan.hpp"
#include "shim/hooks.hpp"

namespace pythonnogil::shim::hooks {

namespace {

// A hold that a thread was given because it attached, and the thread state it attached with.
struct Attachment {
    PyThreadState* thread;
    bool ensured;  // by PyGILState_Ensure, and ended by PyGILState_Release
    std::unique_ptr<ExclusiveHold> hold;
};

// They nest, so the last is the innermost.
thread_local std::vector<Attachment> attachments;

// `caller` is an address in the code that attached the thread.
void push(bool ensured, const void* caller) {
    const GuardPlan* plan = guard_plans::of(caller);
    Domain& domain = plan == nullptr ? process_domain() : plan->domain();
    attachments.push_back(
        {PyThreadState_GetUnchecked(), ensured, std::make_unique<ExclusiveHold>(domain)});
}

void pop() {
    attachments.back().hold->leave();
    attachments.pop_back();
}

// A thread state that legacy code detached on this thread, and whether a hold of attached() ended
// with it.
struct Detachment {
    PyThreadState* thread;
    bool gave_up_hold;
};

thread_local std::vector<Detachment> detachments;

// Whatever comes back from a detachment gets what it had: CPython itself resumes the hold of a
// guarded call. A thread that comes from outside Python gets a hold of its own.
void attached(PyThreadState* thread, const void* caller) {
    bool from_outside = true;
    if (!detachments.empty() && detachments.back().thread == thread) {
        from_outside = detachments.back().gave_up_hold;
        detachments.pop_back();
    }
    if (from_outside)
        push(false, caller);
}

bool end_attachment() {
    const bool ends = !attachments.empty() && !attachments.back().ensured &&
                      attachments.back().thread == PyThreadState_GetUnchecked() &&
                      thread_record.innermost == attachments.back().hold.get();
    if (ends)
        pop();
    return ends;
}

void detaches() {
    detachments.push_back({PyThreadState_GetUnchecked(), end_attachment()});
}

}  // namespace

PyGILState_STATE PyGILState_Ensure() {
    const PyGILState_STATE state = ::PyGILState_Ensure();
    push(true, __builtin_return_address(0));
    return state;
}

void PyGILState_Release(PyGILState_STATE state) {
    if (!attachments.empty() && attachments.back().ensured)
        pop();
    ::PyGILState_Release(state);
}

void PyEval_AcquireThread(PyThreadState* thread) {
    ::PyEval_AcquireThread(thread);
    attached(thread, __builtin_return_address(0));
}

void PyEval_RestoreThread(PyThreadState* thread) {
    ::PyEval_RestoreThread(thread);
    attached(thread, __builtin_return_address(0));
}

void PyEval_ReleaseThread(PyThreadState* thread) {
    detaches();
    ::PyEval_ReleaseThread(thread);
}

PyThreadState* PyEval_SaveThread() {
    detaches();
    return ::PyEval_SaveThread();
}

void PyThreadState_DeleteCurrent() {
    end_attachment();
    ::PyThreadState_DeleteCurrent();
}

}  // namespace pythonnogil::shim::hooks
