#include "shim/gil_lease.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "shim/recorder.hpp"
#include "shim/trace.hpp"

namespace pythonnogil::shim::gil_lease {

namespace {

using std::chrono::microseconds;
using Clock = std::chrono::steady_clock;

// While a lease lasts, threads that compute in Python hand the GIL over this often, so that a
// legacy call does not wait for CPython's five milliseconds several times over.
constexpr double switch_interval_of_lease = 100e-6;
// How often the keeper looks whether the lease is still used, and so how long an unused one lasts:
// about as long as it took to get it, which costs at most twice what knowing the future would. On a
// busy machine most of that time went by without work being done, hence the upper limit.
constexpr microseconds shortest_linger{50};
constexpr microseconds longest_linger{250};
// At exit, other threads may have the lease pinned.
constexpr std::chrono::seconds limit_at_exit{1};

// One word, so that taking a pin is one instruction: bit 0 says that the lease is on, the rest of
// the lower half counts the pins, and the upper half, modulo its size, how often one was taken.
constexpr std::uint64_t lease_is_on = 1;
constexpr std::uint64_t one_pin = 2;
constexpr std::uint64_t one_use = std::uint64_t{1} << 32;
constexpr std::uint64_t pins_of = one_use - one_pin;
std::atomic<std::uint64_t> word{0};

bool is_pinned(std::uint64_t value) {
    return (value & pins_of) != 0;
}

bool was_used_between(std::uint64_t before, std::uint64_t now) {
    return is_pinned(now) || before / one_use != now / one_use;
}

enum class Phase : std::uint8_t {
    idle,    // no lease; the keeper waits, or there is none
    taking,  // the keeper is on its way into the init function
    on,      // the keeper sits there
    ending,  // the keeper is on its way out
};

// Everything but the word changes under the mutex. It is taken by detached threads only, and never
// held while Python runs.
struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    Phase phase = Phase::idle;
    bool keeper_runs = false;
    bool stopping = false;
    unsigned waiting = 0;       // threads that wait for a lease
    unsigned forks = 0;         // forks under way: no lease begins or ends by itself
    std::uint64_t answers = 0;  // how often those who waited got an answer
    std::string failure;        // the last answer: empty, or why there is no lease
    std::uint64_t leases = 0;
    Clock::time_point asked_at;
};

// Not destroyed at exit, when the keeper may still use it; replaced in the child of a fork.
Shared* shared = new Shared;

// Written once by configure().
PyObject* original_create_dynamic = nullptr;
PyObject* spec = nullptr;

thread_local bool is_keeper = false;

// ---- Python from the keeper's side, attached ----

// Calls sys.<name>(argument), or without one when it is null. New reference.
PyObject* call_sys(const char* name, PyObject* argument = nullptr) {
    PyObject* function = PySys_GetObject(name);
    if (function == nullptr) {
        PyErr_Format(PyExc_RuntimeError, "there is no sys.%s", name);
        return nullptr;
    }
    return argument == nullptr ? PyObject_CallNoArgs(function)
                               : PyObject_CallOneArg(function, argument);
}

double switch_interval() {
    PyObject* seconds = call_sys("getswitchinterval");
    const double value = seconds == nullptr ? -1.0 : PyFloat_AsDouble(seconds);
    Py_XDECREF(seconds);
    PyErr_Clear();
    return value;
}

void set_switch_interval(double seconds) {
    PyObject* value = PyFloat_FromDouble(seconds);
    PyObject* done = value == nullptr ? nullptr : call_sys("setswitchinterval", value);
    Py_XDECREF(done);
    Py_XDECREF(value);
    PyErr_Clear();
}

bool gil_is_on() {
    PyObject* answer = call_sys("_is_gil_enabled");
    const bool on = answer != nullptr && PyObject_IsTrue(answer) == 1;
    Py_XDECREF(answer);
    PyErr_Clear();
    return on;
}

std::string text_of_exception() {
    PyObject* error = PyErr_GetRaisedException();
    PyObject* text = error == nullptr ? nullptr : PyObject_Str(error);
    const char* characters = text == nullptr ? nullptr : PyUnicode_AsUTF8(text);
    std::string result = characters == nullptr ? "unknown error" : characters;
    Py_XDECREF(text);
    Py_XDECREF(error);
    PyErr_Clear();
    return result;
}

// ---- the keeper ----

// Answers all who wait. They get their pins here, so the lease cannot end before they run.
void answer(Shared& state, std::string failure) {
    if (failure.empty())
        word.fetch_add(lease_is_on + state.waiting * (one_pin + one_use));
    state.failure = std::move(failure);
    state.waiting = 0;
    ++state.answers;
    state.changed.notify_all();
}

// Ends the lease if nobody has it pinned.
bool try_to_end(Shared& state, std::uint64_t seen) {
    if (is_pinned(seen) || !word.compare_exchange_strong(seen, seen & ~lease_is_on))
        return false;
    state.phase = Phase::ending;
    state.changed.notify_all();
    return true;
}

// Sits until the lease is to end: nobody used it between two looks at the word.
void watch(Shared& state, std::unique_lock<std::mutex>& lock, microseconds linger) {
    std::uint64_t seen = word.load();
    while (state.phase == Phase::on) {
        state.changed.wait_for(lock, linger, [&] {
            return state.phase != Phase::on ||
                   (state.stopping && state.forks == 0 && !is_pinned(word.load()));
        });
        const std::uint64_t now = word.load();
        if (state.phase == Phase::on && state.forks == 0 &&
            (!was_used_between(seen, now) || state.stopping) && try_to_end(state, now))
            return;
        seen = now;
    }
}

void sit() {
    if (!gil_is_on()) {
        const std::lock_guard lock(shared->mutex);
        answer(*shared, "the GIL is forced off (PYTHON_GIL=0 or -X gil=0)");
        return;
    }
    const trace::Lease lease;
    PyThreadState* thread = PyEval_SaveThread();
    {
        std::unique_lock lock(shared->mutex);
        const auto cost = std::chrono::duration_cast<microseconds>(Clock::now() - shared->asked_at);
        shared->phase = Phase::on;
        ++shared->leases;
        answer(*shared, "");
        watch(*shared, lock, std::clamp(cost, shortest_linger, longest_linger));
    }
    PyEval_RestoreThread(thread);
}

// One lease from its beginning to its end, attached. CPython calls sit_in_init_function().
std::string hold_lease() {
    const double before = switch_interval();
    set_switch_interval(switch_interval_of_lease);
    const double of_lease = switch_interval();
    PyObject* module = PyObject_CallOneArg(original_create_dynamic, spec);
    std::string failure = module == nullptr ? text_of_exception() : "";
    Py_XDECREF(module);
    // Unless somebody else has set another one meanwhile.
    if (before > 0 && switch_interval() == of_lease)
        set_switch_interval(before);
    return failure;
}

// True when there is a lease to take, false when the keeper is to end.
bool wait_for_work(Shared& state) {
    std::unique_lock lock(state.mutex);
    state.changed.wait(lock, [&] { return state.waiting > 0 ? state.forks == 0 : state.stopping; });
    if (state.waiting == 0)
        return false;
    state.phase = Phase::taking;
    return true;
}

// Ending without an answer means that CPython did not get as far as the init function.
void finish(Shared& state, const std::string& failure) {
    const std::lock_guard lock(state.mutex);
    if (state.phase == Phase::taking && state.waiting > 0)
        answer(state, failure.empty() ? "CPython did not call the init function" : failure);
    state.phase = Phase::idle;
    state.changed.notify_all();
}

void* keeper(void*) {
    is_keeper = true;
    const PyGILState_STATE gil = PyGILState_Ensure();
    PyThreadState* thread = PyEval_SaveThread();
    while (wait_for_work(*shared)) {
        PyEval_RestoreThread(thread);
        const std::string failure = hold_lease();
        thread = PyEval_SaveThread();
        finish(*shared, failure);
    }
    PyEval_RestoreThread(thread);
    PyGILState_Release(gil);
    const std::lock_guard lock(shared->mutex);
    shared->keeper_runs = false;
    if (shared->waiting > 0)
        answer(*shared, "the interpreter is ending");
    shared->changed.notify_all();
    return nullptr;
}

// Signals are for the threads of the program.
bool start_keeper(Shared& state) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread{};
    state.keeper_runs = pthread_create(&thread, nullptr, keeper, nullptr) == 0;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (state.keeper_runs)
        pthread_detach(thread);
    return state.keeper_runs;
}

// ---- those who want a lease ----

// Waits for a lease, detached; empty, or why there is none.
std::string ask_for_lease() {
    std::unique_lock lock(shared->mutex);
    if (shared->phase == Phase::on) {
        word.fetch_add(one_pin + one_use);
        return "";
    }
    shared->changed.wait(lock, [] { return !shared->stopping; });
    if (!shared->keeper_runs && !start_keeper(*shared))
        return "no thread could be started";
    if (shared->waiting++ == 0)
        shared->asked_at = Clock::now();
    const std::uint64_t answers = shared->answers;
    shared->changed.notify_all();
    shared->changed.wait(lock, [&] { return shared->answers != answers; });
    return shared->failure;
}

// ---- fork and exit: functions for os.register_at_fork and atexit ----

// Leaves nothing half done: afterwards there is no lease, or one that is pinned and stays.
PyObject* before_fork(PyObject*, PyObject*) {
    PyThreadState* thread = PyEval_SaveThread();
    {
        std::unique_lock lock(shared->mutex);
        ++shared->forks;
        shared->changed.wait(lock, [] { return shared->phase != Phase::taking; });
        if (shared->phase != Phase::on || try_to_end(*shared, word.load()))
            shared->changed.wait(lock, [] { return shared->phase == Phase::idle; });
    }
    PyEval_RestoreThread(thread);
    Py_RETURN_NONE;
}

PyObject* after_fork_in_parent(PyObject*, PyObject*) {
    PyThreadState* thread = PyEval_SaveThread();
    {
        const std::lock_guard lock(shared->mutex);
        --shared->forks;
        shared->changed.notify_all();
    }
    PyEval_RestoreThread(thread);
    Py_RETURN_NONE;
}

// The mutex may be in the hands of a thread that the child does not have.
PyObject* after_fork_in_child(PyObject*, PyObject*) {
    shared = new Shared;
    if ((word.load() & lease_is_on) != 0)
        shared->phase = Phase::on;
    else
        word.store(0);
    Py_RETURN_NONE;
}

PyObject* stop_keeper(PyObject*, PyObject*) {
    PyThreadState* thread = PyEval_SaveThread();
    {
        std::unique_lock lock(shared->mutex);
        shared->stopping = true;
        shared->changed.notify_all();
        shared->changed.wait_for(lock, limit_at_exit, [] { return !shared->keeper_runs; });
        shared->stopping = false;
        shared->changed.notify_all();
    }
    PyEval_RestoreThread(thread);
    Py_RETURN_NONE;
}

PyMethodDef before_fork_method = {"before_fork", before_fork, METH_NOARGS, nullptr};
PyMethodDef in_parent_method = {"after_in_parent", after_fork_in_parent, METH_NOARGS, nullptr};
PyMethodDef in_child_method = {"after_in_child", after_fork_in_child, METH_NOARGS, nullptr};
PyMethodDef stop_method = {"stop_keeper", stop_keeper, METH_NOARGS, nullptr};

// Calls `module`.`function` with *arguments and **keywords, both of which it consumes.
bool call_and_forget(const char* module_name, const char* function_name, PyObject* arguments,
                     PyObject* keywords) {
    PyObject* module = PyImport_ImportModule(module_name);
    PyObject* function =
        module == nullptr ? nullptr : PyObject_GetAttrString(module, function_name);
    PyObject* done = function == nullptr || arguments == nullptr || PyErr_Occurred() != nullptr
                         ? nullptr
                         : PyObject_Call(function, arguments, keywords);
    const bool good = done != nullptr;
    Py_XDECREF(done);
    Py_XDECREF(function);
    Py_XDECREF(module);
    Py_XDECREF(keywords);
    Py_XDECREF(arguments);
    return good;
}

bool register_functions() {
    PyObject* hooks =
        Py_BuildValue("{s:N,s:N,s:N}", "before", PyCFunction_New(&before_fork_method, nullptr),
                      "after_in_parent", PyCFunction_New(&in_parent_method, nullptr),
                      "after_in_child", PyCFunction_New(&in_child_method, nullptr));
    if (hooks == nullptr || !call_and_forget("os", "register_at_fork", PyTuple_New(0), hooks))
        return false;
    PyObject* stop = Py_BuildValue("(N)", PyCFunction_New(&stop_method, nullptr));
    return stop != nullptr && call_and_forget("atexit", "register", stop, nullptr);
}

// What create_dynamic reads of a spec: a name and a file.
PyObject* make_spec(const std::string& file) {
    PyObject* types = PyImport_ImportModule("types");
    PyObject* made =
        types == nullptr ? nullptr : PyObject_CallMethod(types, "SimpleNamespace", nullptr);
    PyObject* name = PyUnicode_FromString("_gil_lease");
    PyObject* origin = PyUnicode_DecodeFSDefault(file.c_str());
    if (made != nullptr && name != nullptr && origin != nullptr &&
        (PyObject_SetAttrString(made, "name", name) < 0 ||
         PyObject_SetAttrString(made, "origin", origin) < 0))
        Py_CLEAR(made);
    Py_XDECREF(origin);
    Py_XDECREF(name);
    Py_XDECREF(types);
    return PyErr_Occurred() == nullptr ? made : nullptr;
}

}  // namespace

std::optional<std::string> obstacle() {
    if (PyInterpreterState_Get() != PyInterpreterState_Main())
        return "the GIL can be turned on for legacy calls in the main interpreter only";
    PyObject* flags = PySys_GetObject("flags");
    PyObject* flag = flags == nullptr ? nullptr : PyObject_GetAttrString(flags, "gil");
    const bool forced_off = flag != nullptr && flag != Py_None && PyObject_IsTrue(flag) == 0;
    Py_XDECREF(flag);
    PyErr_Clear();
    if (forced_off)
        return "the GIL cannot be turned on for legacy calls: it is forced off (PYTHON_GIL=0 or -X "
               "gil=0)";
    return std::nullopt;
}

bool configure(PyObject* create_dynamic, const std::string& file) {
    if (spec != nullptr)
        return true;
    // Leases outlive a change of the working directory.
    std::error_code failed;
    const std::filesystem::path absolute = std::filesystem::absolute(file, failed);
    PyObject* made = make_spec(failed ? file : absolute.string());
    if (made == nullptr || !register_functions()) {
        Py_XDECREF(made);
        return false;
    }
    original_create_dynamic = Py_NewRef(create_dynamic);
    spec = made;
    return true;
}

bool pin() {
    if ((word.fetch_add(one_pin + one_use) & lease_is_on) != 0)
        return true;
    if (Py_IsFinalizing() != 0)
        return true;
    word.fetch_sub(one_pin + one_use);
    if (spec == nullptr) {
        PyErr_SetString(PyExc_RuntimeError, "pythonnogil: gil_lease::configure() was not called");
        return false;
    }
    const recorder::Wait wait(true, false);
    PyThreadState* thread = PyEval_SaveThread();
    const std::string failure = ask_for_lease();
    PyEval_RestoreThread(thread);
    if (failure.empty())
        return true;
    PyErr_Format(PyExc_RuntimeError,
                 "pythonnogil: the GIL cannot be turned on for a call into legacy code: %s",
                 failure.c_str());
    return false;
}

void unpin() {
    word.fetch_sub(one_pin);
}

PyObject* sit_in_init_function() {
    if (is_keeper)
        sit();
    PyErr_SetString(PyExc_ImportError, "_gil_lease is no module: it holds the GIL lease");
    return nullptr;
}

std::uint64_t leases() {
    const std::lock_guard lock(shared->mutex);
    return shared->leases;
}

}  // namespace pythonnogil::shim::gil_lease
