// Foreign threads: a thread that the extension or its library started calls into Python, through
// PyGILState_Ensure or by attaching a thread state of its own (pybind11 does), and expects to hold
// the GIL from then on. It holds the guard.

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "shim/exclusive_hold.hpp"
#include "shim/gil_lease.hpp"
#include "shim/guard_plan.hpp"
#include "shim/hooks.hpp"
#include "shim/recorder.hpp"

namespace pythonnogil::shim::hooks {

namespace {

// A hold that a thread was given because it attached, and the thread state it attached with.
struct Attachment {
    PyThreadState* thread;
    bool ensured;  // by PyGILState_Ensure or PyThreadState_Ensure, and ended by their opposites
    std::unique_ptr<gil_lease::Pin> lease;  // in scope interpreter
    std::unique_ptr<ExclusiveHold> hold;
};

// They nest, so the last is the innermost.
thread_local std::vector<Attachment> attachments;

// A thread that was not started by Python has nobody to report to: without a lease its code does
// not go on.
std::unique_ptr<gil_lease::Pin> lease_for(const GuardPlan* plan) {
    if (plan == nullptr || plan->access() != Access::interpreter)
        return nullptr;
    auto lease = std::make_unique<gil_lease::Pin>();
    if (!lease->pinned())
        Py_FatalError("pythonnogil: scope interpreter: no lease of the GIL for a foreign thread");
    return lease;
}

// `caller` is an address in the code that attached the thread.
void push(bool ensured, const void* caller) {
    const GuardPlan* plan = guard_plans::of(caller);
    Domain& domain = plan == nullptr ? process_domain() : plan->domain();
    Attachment attachment{PyThreadState_GetUnchecked(), ensured, nullptr, nullptr};
    attachment.lease = lease_for(plan);
    attachment.hold = std::make_unique<ExclusiveHold>(domain);
    attachments.push_back(std::move(attachment));
}

void pop() {
    attachments.back().hold->leave();
    attachments.pop_back();
}

// Thread states that legacy code detached on this thread inside a hold that did not end with it.
// CPython itself resumes that hold.
thread_local std::vector<PyThreadState*> detached_inside;

bool comes_back(PyThreadState* thread) {
    const auto place = std::find(detached_inside.rbegin(), detached_inside.rend(), thread);
    if (place == detached_inside.rend())
        return false;
    detached_inside.erase(std::next(place).base());
    return true;
}

// Whatever comes back from a detachment gets what it had. A thread state that comes from outside
// Python gets a hold of its own.
void attached(PyThreadState* thread, const void* caller) {
    if (comes_back(thread))
        recorder::come_back();
    else
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
    PyThreadState* thread = PyThreadState_GetUnchecked();
    if (end_attachment())
        return;
    detached_inside.push_back(thread);
    recorder::leave();
}

// CPython takes a section up while it attaches the thread.
void attach(void (*function)(PyThreadState*), PyThreadState* thread, const void* caller) {
    const ExclusiveHold* const hold = thread_record.innermost;
    {
        const recorder::Wait wait(hold != nullptr && hold->is_taken());
        function(thread);
    }
    attached(thread, caller);
}

// For functions of CPython's that may leave another thread state attached than they found.
template <typename Function, typename... Arguments>
auto may_switch(const void* caller, Function function, Arguments... arguments) {
    if (PyThreadState_GetUnchecked() != nullptr)
        detaches();
    const auto result = function(arguments...);
    PyThreadState* thread = PyThreadState_GetUnchecked();
    if (thread != nullptr)
        attached(thread, caller);
    return result;
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

#ifdef PYTHONNOGIL_HAS_SLOT_ARRAYS
PyThreadStateToken* PyThreadState_Ensure(PyInterpreterGuard* guard) {
    PyThreadStateToken* const token = ::PyThreadState_Ensure(guard);
    if (token != nullptr)
        push(true, __builtin_return_address(0));
    return token;
}

PyThreadStateToken* PyThreadState_EnsureFromView(PyInterpreterView* view) {
    PyThreadStateToken* const token = ::PyThreadState_EnsureFromView(view);
    if (token != nullptr)
        push(true, __builtin_return_address(0));
    return token;
}

void PyThreadState_Release(PyThreadStateToken* token) {
    if (!attachments.empty() && attachments.back().ensured)
        pop();
    ::PyThreadState_Release(token);
}
#endif

void PyEval_AcquireThread(PyThreadState* thread) {
    attach(::PyEval_AcquireThread, thread, __builtin_return_address(0));
}

void PyEval_RestoreThread(PyThreadState* thread) {
    attach(::PyEval_RestoreThread, thread, __builtin_return_address(0));
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

PyThreadState* PyThreadState_Swap(PyThreadState* thread) {
    return may_switch(__builtin_return_address(0), ::PyThreadState_Swap, thread);
}

PyThreadState* Py_NewInterpreter() {
    return may_switch(__builtin_return_address(0), ::Py_NewInterpreter);
}

PyStatus Py_NewInterpreterFromConfig(PyThreadState** thread, const PyInterpreterConfig* config) {
    return may_switch(__builtin_return_address(0), ::Py_NewInterpreterFromConfig, thread, config);
}

void Py_EndInterpreter(PyThreadState* thread) {
    end_attachment();
    ::Py_EndInterpreter(thread);
}

// The calls that this thread is in will never return. While the runtime ends CPython would take
// their sections up again, which a thread that has ended in the meantime may own for ever.
void Py_Exit(int status) {
    PyThreadState* const thread = ::PyEval_SaveThread();
    thread->critical_section = 0;
    ::PyEval_RestoreThread(thread);
    ::Py_Exit(status);
}

}  // namespace pythonnogil::shim::hooks
