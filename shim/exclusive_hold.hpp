// One exclusive hold of a domain by one thread, for the length of a scope: what makes legacy code
// run as if it held a GIL.
//
// The hold is a PyCriticalSection on the domain's lock object (or on the object that the call is
// made on), so CPython itself gives it up
// whenever the thread detaches, at the very places where it would have released a GIL, and takes it
// again when the thread attaches.
//
// Thread-safety: a hold belongs to the thread that made it, lives on that thread's stack, and
// nests. Errors: none. May block, detached, until the domain is free. A thread that CPython ends
// while it waits (3.13.5 and earlier use pthread_exit) unwinds through here.
#pragma once

#include "shim/borrowed_pool.hpp"
#include "shim/compat.hpp"
#include "shim/domain.hpp"
#include "shim/fresh_types.hpp"
#include "shim/thread_accessor.hpp"

namespace pythonnogil::shim {

class ExclusiveHold;

// What the shim knows of the running OS thread. Trivially constructed and destroyed, so that
// reading it is one instruction and it stays valid while the thread ends.
struct ThreadRecord {
    ExclusiveHold* innermost;
    BorrowedPool* borrowed;
    std::size_t attention;  // how many holds of this thread must be seen to at a call into CPython
    bool has_fresh_types;   // see fresh_types.hpp
};

// The initial-exec model costs one load instead of a call into the dynamic linker. It takes its 32
// bytes from the reserve that glibc keeps for libraries loaded at run time.
extern thread_local constinit ThreadRecord thread_record
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

// Where CPython keeps the calling thread's state, or 0 when that is not known.
extern const thread_accessor::Offset thread_state_offset;

// The same as PyThreadState_GetUnchecked() where that needs no call; else null.
inline PyThreadState* thread_state_at_once() {
#ifdef __x86_64__
    if (thread_state_offset == 0) [[unlikely]]
        return nullptr;
    return thread_accessor::read<PyThreadState>(thread_state_offset);
#else
    return PyThreadState_GetUnchecked();
#endif
}

inline PyThreadState* thread_state() {
    PyThreadState* const thread = thread_state_at_once();
    return thread != nullptr ? thread : PyThreadState_GetUnchecked();
}

class ExclusiveHold {
  public:
    // `argument`, when given, is a list, dict or set that is locked together with the domain, so
    // that code which reads it by macro sees no change from outside. Null locks the domain alone.
    explicit ExclusiveHold(Domain& domain, PyObject* argument = nullptr);

    // Locks one object instead of the whole domain: calls on other objects may run meanwhile.
    struct Receiver {
        PyObject* object;
    };
    ExclusiveHold(Domain& domain, Receiver receiver, PyObject* argument);

    // Shares the domain with other readers. After a detach, and where sharing is not to be had, the
    // hold is an exclusive one.
    struct Shared {};
    ExclusiveHold(Domain& domain, Shared);

    // For the path of every call: take the domain, or share it, only where that needs no function
    // call, so that the arguments of the guarded function can stay in their registers. held() says
    // whether it did. Where prepare() is then needed, it comes before the guarded function.
    struct AtOnce {};
    ExclusiveHold(Domain& domain, AtOnce);
    struct SharedAtOnce {};
    ExclusiveHold(Domain& domain, SharedAtOnce);
    bool must_prepare() const { return must_prepare_; }
    void prepare();

    // Takes the domain only if it becomes free within a moment; held() says whether it did.
    struct TryOnly {};
    ExclusiveHold(Domain& domain, TryOnly);

    // For callbacks that CPython runs in the middle of a change, with a critical section of its own
    // around it: waits attached, because detaching would give that section up and let another
    // thread change the same object. A domain that stays taken for long is waited for as usual.
    struct WaitAttached {};
    ExclusiveHold(Domain& domain, WaitAttached);

    // Not noexcept: taking an outer section up again may end the thread, by unwinding it.
    ~ExclusiveHold() noexcept(false);

    ExclusiveHold(const ExclusiveHold&) = delete;
    ExclusiveHold& operator=(const ExclusiveHold&) = delete;

    bool held() const { return state_ != State::none; }

    // Ends the hold before its scope ends; the destructor then has nothing left to do.
    void leave();

    // Lets waiting threads in once they have been seen waiting for the switch interval, as a GIL
    // holder would. To be called where legacy code calls into CPython, where a GIL could have
    // changed hands as well. Only on on_top().
    void hand_over_if_due() {
        if (is_waited_for()) [[unlikely]]
            hand_over_when_waited_long();
    }

    // Whether threads wait for what this hold has locked.
    bool is_waited_for() const { return has_waiters(*mutex()); }

    Domain& domain() const { return *domain_; }

    // False for a hold of a receiver.
    bool locks_domain() const { return lock_ == domain_->lock_object(); }

    // Goes on in another domain: gives this one up and waits for the other. Only on on_top(), and
    // only for a hold of a domain.
    void move_to(Domain& domain);

    // Gives the argument's lock back for the length of a call into CPython that may lock it itself:
    // locking it twice would suspend the whole hold. Returns the argument to take again, or null
    // when none was locked.
    PyObject* release_argument();
    void reacquire_argument(PyObject* argument);

    // A reader lets go of the domain for the length of a call into CPython that may run other code.
    // Only on on_top().
    bool is_reading() const { return state_ == State::reading; }
    void set_reading_aside();
    void take_reading_up();

    // How many holds of this thread have taken the domain exclusively, suspended or not.
    static std::uint32_t count_of_this_thread(const Domain& domain);

    // Gives the domain up for the length of a call that runs Python code and nothing else, where a
    // GIL could change hands at any instruction. False, and nothing done, when this hold is not the
    // one that took the domain. An exception that passes leaves it given up.
    bool give_up();
    void take_again();

    // True when this thread has `object` locked as an argument at this moment: nobody else can
    // change it.
    static bool has_locked(PyObject* object) {
        if (thread_record.attention == 0)
            return false;
        const ExclusiveHold* hold = on_top();
        return hold != nullptr && hold->argument_ == object;
    }

    // True when this thread has locked `object` in any way, be it in a section of the legacy code's
    // own: locking it again would cost the thread everything that it has locked, and much time.
    static bool has_section_of(const PyObject* object) { return has_in_force(&object->ob_mutex); }

    // True when a detached thread that attaches now would have to wait for what this hold locked.
    bool is_taken() const { return is_locked(*mutex()); }

    // True when this thread's hold of the domain is in force at this moment: taken and not
    // suspended.
    static bool in_force(Domain& domain) {
        const PyThreadState* thread = thread_state();
        return thread != nullptr && thread->critical_section != 0 && has_in_force(domain.mutex());
    }

    // What a hold locks, whether it has it at this moment or waits for it.
    struct Lock {
        Domain* domain;
        const PyMutex* mutex;
        const PyMutex* second;  // that of a locked argument, or null
    };
    // The lock of this thread's hold that owns a critical section; nothing but nulls when it is
    // nobody's. May be called in a signal handler.
    static Lock lock_of_section(const void* section);

    // The hold of this thread whose section is the top-most one, or null. Only that one may be
    // handed over.
    static ExclusiveHold* on_top();

  private:
    enum class State : std::uint8_t {
        none,     // nothing is held: left already, or the thread has no thread state
        covered,  // an enclosing hold is on top of the thread's sections, so that a detach restores
                  // it
        own,      // this hold took the lock
        borrowed,  // this hold took the lock over from an enclosing hold that lies below other
                   // sections
        reading,   // this hold shares the domain
        aside,     // a shared hold that was let go of for the length of a call
    };

    struct Unlisted {};
    ExclusiveHold(Domain& domain, PyObject* lock, PyThreadState* thread, Unlisted);
    struct Unentered {};
    ExclusiveHold(Domain& domain, PyObject* lock, Unentered);

    static bool has_in_force(const PyMutex* mutex);

    PyMutex* mutex() { return &lock_->ob_mutex; }
    const PyMutex* mutex() const { return &lock_->ob_mutex; }

    void enter(PyObject* argument);
    bool try_fast(PyObject* argument);
    bool try_alone();
    bool try_alone_at_once();
    void read_at_once();
    void list();
    bool enter_nested();
    bool wait_attached();
    void enter_nested_or_wait(PyObject* argument);
    bool spin_for(PyObject* argument);
    void wait_for(PyObject* argument);
    void wait_for_lock(PyObject* argument);
    bool is_covered() const;
    void begin_writing();
    void exclude_readers();
    void end_writing();
    bool try_read();
    void wait_to_read();
    bool read_as_owner();
    void be_alone();
    void announce_thread();
    void stop_reading();
    void stop_reading_resumed();
    void let_scanners_finish();
    void queue_behind_reservation(std::int64_t since);
    ExclusiveHold* find_lender() const;
    bool borrow_from(ExclusiveHold& lender, PyObject* argument);
    void fill_section(PyObject* argument);
    void set_argument(PyObject* argument);
    void link_on_top();
    void link_dormant();
    void unlock_and_unlink();
    void unlock_and_unlink_slowly();
    void let_the_longest_waiter_have_it();
    void leave_otherwise();
    void give_back_to_lender();
    void leave_while_unwinding();
    void hand_over_when_waited_long();
    bool is_on_top() const;

    Domain* domain_;
    PyObject* lock_;  // what is locked: the domain's lock object, or a receiver
    PyThreadState* thread_;
    ExclusiveHold* previous_;
    ExclusiveHold* lender_;
    PyObject* argument_;  // locked together with it, or null
    State state_;
    bool left_;
    bool lets_readers_in_;  // would have read, had it been possible
    bool is_reader_;        // entered to read, whatever it got; such a hold covers no exclusive one
    bool must_prepare_;     // has the mutex, but readers may still be inside
    // Laid out as CPython's; the second mutex is used only when an argument is locked as well.
    PyCriticalSection2 section_;
};

// Whether this thread is inside a guarded call, suspended or not. Then it has a thread state.
inline bool inside_guarded_call() {
    return thread_record.innermost != nullptr;
}

// Sleeps for some ten microseconds, detached, so that whoever is waited for can go on.
void nap_detached();

// Seconds that waiters are made to wait, at most, before a holder that calls into CPython lets them
// in.
void set_switch_interval(double seconds);

}  // namespace pythonnogil::shim

#include "shim/exclusive_hold_inline.hpp"
