#include "shim/exclusive_hold.hpp"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <atomic>

#include "shim/recorder.hpp"
#include "shim/watchdog.hpp"

namespace pythonnogil::shim {

thread_local constinit ThreadRecord thread_record{nullptr, nullptr, 0, false};

// This library is loaded by a thread that runs in the interpreter, so what was understood is
// checked against a value that is not null.
const thread_accessor::Offset thread_state_offset = [] {
    const auto offset = thread_accessor::offset_read_by(PyThreadState_GetUnchecked);
    PyThreadState* const thread = PyThreadState_GetUnchecked();
    const bool is_right =
        offset != 0 && thread != nullptr && thread_accessor::read<PyThreadState>(offset) == thread;
    return is_right ? offset : 0;
}();

namespace {

std::atomic<std::int64_t> switch_interval_ns{5'000'000};

// A waiter is let in ahead of newcomers when it has waited for so long. Much shorter, and threads
// that make short calls in turn would change places at every call; much longer shows as latency.
constexpr std::int64_t fair_after_ns = 100'000;

// A thread that was woken needs some ten microseconds to come; if it does not, newcomers go on.
constexpr std::int64_t longest_reservation_ns = 300'000;

// Some microseconds, in instructions that take ten nanoseconds or more each.
constexpr int first_pauses = 64;

void pause_processor() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("isb" ::: "memory");
#endif
}

std::int64_t read_ns(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

std::int64_t monotonic_ns() {
    return read_ns(CLOCK_MONOTONIC);
}

// How long this thread has had a processor.
std::int64_t thread_ns() {
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

[[noreturn]] void end_of_another_stack() {
    Py_FatalError(
        "pythonnogil: a guarded call ended on another C stack than the one it began on; a library "
        "other than greenlet switched stacks inside it; run the program with PYTHONNOGIL_MODE=off");
}

}  // namespace

void nap_detached() {
    constexpr timespec nap{0, 20'000};
    PyThreadState* const thread = PyEval_SaveThread();
    nanosleep(&nap, nullptr);
    PyEval_RestoreThread(thread);
}

void set_switch_interval(double seconds) {
    switch_interval_ns.store(static_cast<std::int64_t>(seconds * 1e9), std::memory_order_relaxed);
}

ExclusiveHold::ExclusiveHold(Domain& domain, WaitAttached)
    : ExclusiveHold(domain, domain.lock_object(), Unentered{}) {
    if (thread_ == nullptr || enter_nested())
        return;
    if (!try_fast(nullptr) && !wait_attached())
        wait_for(nullptr);
}

// False when the domain has stayed taken for long. By this thread's own time: on a busy machine the
// owner may be without a processor for a while, and so is this thread then.
bool ExclusiveHold::wait_attached() {
    const recorder::Wait wait(true, false);
    const std::int64_t give_up_at =
        thread_ns() + 4 * switch_interval_ns.load(std::memory_order_relaxed);
    while (!try_fast(nullptr)) {
        if (thread_ns() > give_up_at)
            return false;
        sched_yield();
    }
    return true;
}

// True when an enclosing hold of this thread has the domain.
bool ExclusiveHold::enter_nested() {
    if (is_covered()) {
        state_ = State::covered;
        return true;
    }
    ExclusiveHold* lender = find_lender();
    return lender != nullptr && borrow_from(*lender, nullptr);
}

void ExclusiveHold::enter_nested_or_wait(PyObject* argument) {
    // By an enclosing hold, or by a section of the legacy code's own.
    const bool locked_already = argument != nullptr && has_in_force(&argument->ob_mutex);
    PyObject* const to_lock = locked_already ? nullptr : argument;
    if (ExclusiveHold* lender = find_lender()) {
        if (to_lock == nullptr && is_covered()) {
            state_ = State::covered;
            return;
        }
        if (borrow_from(*lender, to_lock))
            return;
    }
    wait_for(to_lock);
}

// Most holds are shorter than it takes to put a thread to sleep, or to ask the kernel for anything.
// Yet threads that make short calls in turn must not change places at each: they would spend their
// time on carrying the lock from one processor to the other. So it looks twice only, and not at
// once. It gives up when others sleep already: they were first.
bool ExclusiveHold::spin_for(PyObject* argument) {
    const recorder::Wait wait(true, state_ != State::none);
    for (const int pauses : {first_pauses, 2 * first_pauses}) {
        for (int i = 0; i < pauses; ++i)
            pause_processor();
        if (has_waiters(*mutex()) || domain_->is_reserved())
            return false;
        if (!is_locked(*mutex()) && try_fast(argument))
            return true;
    }
    return false;
}

// CPython's own slow path: it detaches the thread while it waits, so nothing that this thread holds
// can keep the owner of the lock from finishing.
void ExclusiveHold::wait_for(PyObject* argument) {
    if (spin_for(argument))
        return;
    wait_for_lock(argument);
    begin_writing();
}

void ExclusiveHold::wait_for_lock(PyObject* argument) {
    const recorder::Wait wait(is_taken() || domain_->is_reserved() ||
                                  (argument != nullptr && is_locked(argument->ob_mutex)),
                              state_ != State::none);
    const watchdog::Wait watched(*domain_, mutex(),
                                 argument == nullptr ? nullptr : &argument->ob_mutex);
    const std::int64_t since = monotonic_ns();
    if (Py_IsFinalizing() && locks_domain()) [[unlikely]]
        domain_->take_from_ended_threads(count_of_this_thread(*domain_));
    if (locks_domain())
        queue_behind_reservation(since);
    set_argument(argument);
    if (argument != nullptr)
        PyCriticalSection2_Begin(&section_, lock_, argument);
    else
        PyCriticalSection_Begin(&section_._cs_base, lock_);
    state_ = State::own;
    if (locks_domain()) {
        domain_->end_reservation();
        domain_->set_waiting_since(is_waited_for() ? monotonic_ns() : 0);
        domain_->set_kept_waiting_since(0);
    }
}

// An unlocked PyMutex goes to whoever comes first, which is the thread that has just unlocked it
// and comes again, not the waiter that it woke.
void ExclusiveHold::queue_behind_reservation(std::int64_t since) {
    while (domain_->is_reserved() && !is_locked(*mutex()) &&
           monotonic_ns() - since < longest_reservation_ns)
        nap_detached();
    if (domain_->waiting_since() == 0)
        domain_->set_waiting_since(since);
}

// The enclosing hold of this thread whose section has the domain locked now. It need not be on top:
// CPython may have put critical sections of its own above it since.
ExclusiveHold* ExclusiveHold::find_lender() const {
    if (!has_in_force(mutex()))
        return nullptr;
    for (ExclusiveHold* hold = previous_; hold != nullptr; hold = hold->previous_) {
        const bool owns = hold->state_ == State::own || hold->state_ == State::borrowed;
        if (owns && hold->thread_ == thread_ &&
            (hold->section_._cs_base._cs_mutex == mutex() ||
             (hold->argument_ != nullptr && hold->section_._cs_mutex2 == mutex())))
            return hold;
    }
    return nullptr;
}

// CPython resumes only the top-most section when a thread attaches again. A nested entry that
// relied on a section further down would run unguarded after the first detach, and locking the
// mutex a second time would suspend the outer hold and let others in, in the middle of it. So the
// nested hold takes the locked mutex over.
bool ExclusiveHold::borrow_from(ExclusiveHold& lender, PyObject* argument) {
    if (argument != nullptr && !try_lock(&argument->ob_mutex))
        return false;
    PyCriticalSection2& lent = lender.section_;
    if (lent._cs_base._cs_mutex == mutex()) {
        // CPython looks at the second mutex only when there is a first.
        lent._cs_base._cs_mutex = lender.argument_ == nullptr ? nullptr : lent._cs_mutex2;
    }
    lent._cs_mutex2 = nullptr;
    lender_ = &lender;
    fill_section(argument);
    link_on_top();
    state_ = State::borrowed;
    return true;
}

void ExclusiveHold::leave_otherwise() {
    if (state_ == State::borrowed)
        give_back_to_lender();
    else if (state_ == State::reading)
        stop_reading();
}

void ExclusiveHold::give_back_to_lender() {
    if (!is_on_top()) [[unlikely]]
        end_of_another_stack();
    const std::uintptr_t below = section_._cs_base._cs_prev;
    lender_->fill_section(lender_->argument_);
    if ((below & section_inactive) != 0) {
        // The thread detached meanwhile, which suspended the lender too: CPython resumes it when
        // its turn comes.
        unlock_and_unlink();
        return;
    }
    if (argument_ != nullptr)
        PyMutex_Unlock(&argument_->ob_mutex);
    thread_->critical_section = below;
}

void ExclusiveHold::unlock_and_unlink_slowly() {
    if (!is_on_top()) [[unlikely]]
        end_of_another_stack();
    if (is_waited_for()) [[unlikely]]
        let_the_longest_waiter_have_it();
    domain_->set_kept_waiting_since(0);
    const std::uintptr_t below = section_._cs_base._cs_prev;
    if ((below & section_inactive) != 0) {
        // Ending it CPython's way also takes the section below up again.
        if (argument_ != nullptr)
            PyCriticalSection2_End(&section_);
        else
            PyCriticalSection_End(&section_._cs_base);
        return;
    }
    if (argument_ != nullptr)
        PyMutex_Unlock(&argument_->ob_mutex);
    PyMutex_Unlock(mutex());
    thread_->critical_section = below;
}

void ExclusiveHold::let_the_longest_waiter_have_it() {
    if (!locks_domain())
        return;
    const std::int64_t since = domain_->waiting_since();
    if (since != 0 && monotonic_ns() - since > fair_after_ns)
        domain_->reserve();
}

void ExclusiveHold::move_to(Domain& domain) {
    end_writing();
    domain_ = &domain;
    lock_ = domain.lock_object();
    wait_for(argument_);
}

// An exception or a forced unwinding passes through. A thread that CPython ended is detached by
// then: its sections were suspended, and its thread state may be gone.
void ExclusiveHold::leave_while_unwinding() {
    if (PyThreadState_GetUnchecked() == thread_ && thread_ != nullptr) {
        leave();
        return;
    }
    if (state_ == State::reading)
        domain_->readers().leave();
    left_ = true;
    thread_record.innermost = previous_;
    set_argument(nullptr);
}

void ExclusiveHold::hand_over_when_waited_long() {
    const std::int64_t now = monotonic_ns();
    if (domain_->waiting_since() == 0)
        domain_->set_waiting_since(now);
    // By this hold's own time: a short call ends before anybody need be let in, and a GIL would not
    // change hands in the middle of it.
    if (domain_->kept_waiting_since() == 0) {
        domain_->set_kept_waiting_since(now);
        return;
    }
    if (now - domain_->kept_waiting_since() < switch_interval_ns.load(std::memory_order_relaxed) ||
        !is_on_top())
        return;
    PyObject* argument = argument_;
    const State state = state_;
    end_writing();
    wait_for(argument);
    state_ = state;
}

PyObject* ExclusiveHold::release_argument() {
    if (argument_ == nullptr || !is_on_top())
        return nullptr;
    PyObject* argument = argument_;
    PyMutex_Unlock(&argument->ob_mutex);
    fill_section(nullptr);
    thread_->critical_section &= ~section_two_mutexes;
    return argument;
}

void ExclusiveHold::reacquire_argument(PyObject* argument) {
    if (!is_on_top())
        return;
    if (try_lock(&argument->ob_mutex)) {
        fill_section(argument);
        thread_->critical_section |= section_two_mutexes;
        return;
    }
    const State state = state_;
    end_writing();
    wait_for(argument);
    state_ = state;
}

bool ExclusiveHold::give_up() {
    if (state_ != State::own || !is_on_top())
        return false;
    end_writing();
    state_ = State::none;
    recorder::leave();
    return true;
}

void ExclusiveHold::take_again() {
    if (!try_fast(nullptr))
        enter_nested_or_wait(nullptr);
    recorder::come_back();
}

bool ExclusiveHold::has_in_force(const PyMutex* mutex) {
    const PyThreadState* thread = thread_state();
    if (thread == nullptr)
        return false;
    std::uintptr_t tagged = thread->critical_section;
    while (tagged != 0 && (tagged & section_inactive) == 0) {
        if (section_locks(tagged, mutex))
            return true;
        tagged = reinterpret_cast<const PyCriticalSection*>(tagged & ~section_tags)->_cs_prev;
    }
    return false;
}

std::uint32_t ExclusiveHold::count_of_this_thread(const Domain& domain) {
    std::uint32_t count = 0;
    for (const ExclusiveHold* hold = thread_record.innermost; hold != nullptr;
         hold = hold->previous_)
        count += hold->state_ == State::own && hold->domain_ == &domain && hold->locks_domain();
    return count;
}

ExclusiveHold::Lock ExclusiveHold::lock_of_section(const void* section) {
    if (section == nullptr)
        return {};
    for (const ExclusiveHold* hold = thread_record.innermost; hold != nullptr;
         hold = hold->previous_) {
        if (&hold->section_ == section)
            return {hold->domain_, hold->mutex(),
                    hold->argument_ == nullptr ? nullptr : &hold->argument_->ob_mutex};
    }
    return {};
}

ExclusiveHold* ExclusiveHold::on_top() {
    for (ExclusiveHold* hold = thread_record.innermost; hold != nullptr; hold = hold->previous_) {
        if (hold->state_ == State::own || hold->state_ == State::borrowed ||
            hold->state_ == State::reading)
            return hold->is_on_top() ? hold : nullptr;
    }
    return nullptr;
}

}  // namespace pythonnogil::shim
