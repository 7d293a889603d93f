#include "shim/main_thread_calls.hpp"

#include <cxxabi.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>

#include "shim/recorder.hpp"

namespace pythonnogil::shim::main_thread_calls {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// A main thread that runs Python code serves well within the first pause. Then it is sent signals,
// again and again: one that arrives just before a system call begins does not interrupt it.
constexpr milliseconds first_pause{1};
constexpr milliseconds longest_pause{50};
constexpr int wake_up_signal = SIGURG;

enum class Stage : std::uint8_t {
    queued,     // the main thread may take it
    running,    // the main thread has taken it
    done,       // with a result or an exception
    cancelled,  // the caller gave up; it is no longer in the queue
    abandoned,  // the main thread was ended in the middle of it
};

// Owned by the caller and, from the moment it is taken, the main thread: in the child of a fork the
// caller's stack may be gone.
struct Call {
    Call(Function wanted, const Arguments& given) : function(wanted), arguments(given) {}

    Function function;
    Arguments arguments;
    Stage stage = Stage::queued;  // under the mutex of Shared; the rest goes with the stage
    std::intptr_t result = 0;
    PyObject* exception = nullptr;
    std::exception_ptr thrown;
    std::uint64_t taken_at = 0;  // see ticks.hpp
};

// Everything is under the mutex, which is never held while Python or legacy code runs.
struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::shared_ptr<Call>> queue;
    Clock::time_point last_sign;  // when the main thread last began or ended a call
};

// Not destroyed at exit, when threads may still wait; replaced in the child of a fork.
Shared* shared = new Shared;

std::atomic<unsigned long> main_thread{0};  // as PyThread_get_thread_ident has it; 0: not known
std::atomic<milliseconds> limit{default_limit};
// The application's own handler, or null. Touched by the main thread only.
PyObject* chained_handler = nullptr;

// ---- the main thread's side ----

std::shared_ptr<Call> take_next() {
    const std::lock_guard lock(shared->mutex);
    if (shared->queue.empty())
        return nullptr;
    std::shared_ptr<Call> call = std::move(shared->queue.front());
    shared->queue.pop_front();
    call->stage = Stage::running;
    call->taken_at = ticks::now();
    shared->last_sign = Clock::now();
    return call;
}

void end(Call& call, Stage stage) {
    const std::lock_guard lock(shared->mutex);
    call.stage = stage;
    shared->last_sign = Clock::now();
    shared->changed.notify_all();
}

// Ctrl-C is meant for the program, not for the one thread whose call happened to be running.
void pass_on_interrupt(PyObject* exception) {
    if (exception != nullptr &&
        PyErr_GivenExceptionMatches(exception, PyExc_KeyboardInterrupt) != 0)
        PyErr_SetInterrupt();
}

void serve(Call& call) {
    // Native code may look for signals while it has an exception set.
    PyObject* interrupted = PyErr_GetRaisedException();
    const Arguments& a = call.arguments;
    try {
        call.result = call.function(a[0], a[1], a[2], a[3], a[4], a[5]);
    } catch (const abi::__forced_unwind&) {
        end(call, Stage::abandoned);
        throw;
    } catch (...) {
        call.thrown = std::current_exception();
    }
    call.exception = PyErr_GetRaisedException();
    PyErr_SetRaisedException(interrupted);
    pass_on_interrupt(call.exception);
    end(call, Stage::done);
}

// One call of CPython's for each of ours.
int serve_as_pending_call(void*) {
    if (const auto call = take_next())
        serve(*call);
    return 0;
}

std::size_t queued() {
    const std::lock_guard lock(shared->mutex);
    return shared->queue.size();
}

// The Python handler for the signal. Serves those who wait now; who comes later sends another one.
PyObject* serve_as_handler(PyObject*, PyObject* arguments) {
    for (std::size_t count = queued(); count > 0; --count)
        serve_as_pending_call(nullptr);
    if (chained_handler != nullptr)
        return PyObject_Call(chained_handler, arguments, nullptr);
    Py_RETURN_NONE;
}

PyMethodDef handler_method = {
    "serve_other_threads", serve_as_handler, METH_VARARGS,
    "serve_other_threads(signum, frame, /)\n--\n\nRun what other threads want on the main thread."};

void only_interrupt(int) {}

// Whether the kernel knows a handler of native code.
bool has_native_handler() {
    struct sigaction action {};
    if (sigaction(wake_up_signal, nullptr, &action) != 0 || (action.sa_flags & SA_SIGINFO) != 0)
        return true;
    return action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN &&
           action.sa_handler != only_interrupt;
}

// Sets `handler` for the signal, unless native code has a handler of its own: CPython does not
// know of it, or shows it as None.
bool replace_handler(PyObject* signal_module, PyObject* handler) {
    PyObject* before = PyObject_CallMethod(signal_module, "getsignal", "i", wake_up_signal);
    const bool chained = before != nullptr && PyCallable_Check(before) != 0;
    if (before == nullptr || (!chained && has_native_handler())) {
        Py_XDECREF(before);
        return before != nullptr;
    }
    PyObject* done = PyObject_CallMethod(signal_module, "signal", "iO", wake_up_signal, handler);
    if (done != nullptr && chained)
        Py_XSETREF(chained_handler, Py_NewRef(before));
    Py_XDECREF(done);
    Py_DECREF(before);
    return done != nullptr;
}

bool install_handler() {
    static bool installed = false;
    if (installed)
        return true;
    PyObject* signal_module = PyImport_ImportModule("signal");
    PyObject* handler = PyCFunction_New(&handler_method, nullptr);
    installed =
        signal_module != nullptr && handler != nullptr && replace_handler(signal_module, handler);
    Py_XDECREF(handler);
    Py_XDECREF(signal_module);
    return installed;
}

int install_as_pending_call(void*) {
    // Whatever the main thread happens to run is not to blame.
    if (!install_handler())
        PyErr_WriteUnraisable(nullptr);
    return 0;
}

// ---- the callers' side ----

// Until the main thread has installed the Python handler, a signal must at least end its system
// calls: waits for locks then look for pending calls.
void install_native_handler() {
    if (has_native_handler())
        return;
    struct sigaction action {};
    action.sa_handler = only_interrupt;
    sigemptyset(&action.sa_mask);
    sigaction(wake_up_signal, &action, nullptr);
}

void wake_main_thread() {
    pthread_kill(static_cast<pthread_t>(main_thread.load()), wake_up_signal);
}

// Takes the call back, so that it never runs. True when that was still possible.
bool cancel(const std::shared_ptr<Call>& call) {
    if (call->stage != Stage::queued)
        return false;
    std::erase(shared->queue, call);
    call->stage = Stage::cancelled;
    return true;
}

// Detached. Returns when the call has been served or cannot be.
void wait_for(const std::shared_ptr<Call>& call) {
    std::unique_lock lock(shared->mutex);
    const auto asked = Clock::now();
    milliseconds pause = first_pause;
    while (!shared->changed.wait_for(lock, pause, [&] { return call->stage > Stage::running; })) {
        const auto silent_for = Clock::now() - std::max(asked, shared->last_sign);
        if ((silent_for >= limit.load() || Py_IsFinalizing() != 0) && cancel(call))
            return;
        if (call->stage == Stage::queued)
            wake_main_thread();
        pause = std::min(pause * 2, longest_pause);
    }
}

void set_error(Stage stage) {
    if (stage == Stage::abandoned || Py_IsFinalizing() != 0) {
        PyErr_SetString(PyExc_RuntimeError,
                        "pythonnogil: a call that must run on the main thread cannot: the "
                        "interpreter is ending");
        return;
    }
    PyErr_Format(PyExc_RuntimeError,
                 "pythonnogil: a call that must run on the main thread was not served for %lld ms: "
                 "the main thread is in native code and does not look; have it wait in Python code "
                 "(a join, a lock, a queue)",
                 static_cast<long long>(limit.load().count()));
}

std::optional<std::intptr_t> outcome(const Call& call) {
    if (call.stage != Stage::done) {
        set_error(call.stage);
        return std::nullopt;
    }
    if (call.thrown)
        std::rethrow_exception(call.thrown);
    if (call.exception != nullptr)
        PyErr_SetRaisedException(call.exception);
    return call.result;
}

// ---- set-up ----

// The mutex may be in the hands of a thread that the child does not have.
PyObject* after_fork_in_child(PyObject*, PyObject*) {
    shared = new Shared;
    main_thread.store(PyThread_get_thread_ident());
    Py_RETURN_NONE;
}

PyMethodDef in_child_method = {"after_in_child", after_fork_in_child, METH_NOARGS, nullptr};

// Attribute `attribute` of module `name`. New reference.
PyObject* imported_attribute(const char* name, const char* attribute) {
    PyObject* module = PyImport_ImportModule(name);
    PyObject* value = module == nullptr ? nullptr : PyObject_GetAttrString(module, attribute);
    Py_XDECREF(module);
    return value;
}

bool register_fork_function() {
    PyObject* function = imported_attribute("os", "register_at_fork");
    PyObject* keywords =
        Py_BuildValue("{s:N}", "after_in_child", PyCFunction_New(&in_child_method, nullptr));
    PyObject* none = PyTuple_New(0);
    PyObject* done = function == nullptr || keywords == nullptr || none == nullptr
                         ? nullptr
                         : PyObject_Call(function, none, keywords);
    const bool good = done != nullptr;
    Py_XDECREF(done);
    Py_XDECREF(none);
    Py_XDECREF(keywords);
    Py_XDECREF(function);
    return good;
}

bool learn_main_thread() {
    PyObject* function = imported_attribute("_thread", "_get_main_thread_ident");
    PyObject* ident = function == nullptr ? nullptr : PyObject_CallNoArgs(function);
    const unsigned long value = ident == nullptr ? 0 : PyLong_AsUnsignedLong(ident);
    Py_XDECREF(ident);
    Py_XDECREF(function);
    if (PyErr_Occurred() != nullptr)
        return false;
    main_thread.store(value);
    return true;
}

}  // namespace

bool on_main_thread() {
    return PyThread_get_thread_ident() == main_thread.load(std::memory_order_relaxed);
}

void set_limit(milliseconds value) {
    limit.store(value);
}

bool configure() {
    if (main_thread.load() == 0 && (!register_fork_function() || !learn_main_thread()))
        return false;
    if (on_main_thread())
        return install_handler();
    install_native_handler();
    Py_AddPendingCall(install_as_pending_call, nullptr);
    return true;
}

std::optional<std::intptr_t> run(Function function, const Arguments& arguments) {
    if (on_main_thread())
        return function(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                        arguments[5]);
    if (main_thread.load() == 0 || PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_RuntimeError,
                        "pythonnogil: a call that must run on the main thread cannot: it was made "
                        "in a subinterpreter, or before main_thread_calls::configure()");
        return std::nullopt;
    }
    const auto call = std::make_shared<Call>(function, arguments);
    const std::uint64_t asked_at = ticks::now();
    {
        const std::lock_guard lock(shared->mutex);
        shared->queue.push_back(call);
    }
    // When CPython's queue is full the signal has to do.
    Py_AddPendingCall(serve_as_pending_call, nullptr);
    recorder::leave();
    PyThreadState* thread = PyEval_SaveThread();
    wait_for(call);
    PyEval_RestoreThread(thread);
    recorder::come_back();
    recorder::waited(asked_at, call->taken_at == 0 ? ticks::now() : call->taken_at);
    return outcome(*call);
}

}  // namespace pythonnogil::shim::main_thread_calls
