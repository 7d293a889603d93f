// The path of every guarded call. Belongs to exclusive_hold.hpp, which includes it.
#pragma once

#include "shim/exclusive_hold.hpp"

namespace pythonnogil::shim {

inline bool section_locks(std::uintptr_t tagged, const PyMutex* mutex) {
    if (tagged == 0 || (tagged & section_inactive) != 0)
        return false;
    const auto* section = reinterpret_cast<const PyCriticalSection2*>(tagged & ~section_tags);
    return section->_cs_base._cs_mutex == mutex ||
           ((tagged & section_two_mutexes) != 0 && section->_cs_mutex2 == mutex);
}

// A dormant section must have nothing active below it: CPython stops at the first suspended section
// when a thread detaches, and would leave that locked.
inline bool may_lie_dormant_on(std::uintptr_t top) {
    return top == 0 || (top & section_inactive) != 0;
}

inline bool try_lock(PyMutex* mutex) {
    std::uint8_t expected = mutex_unlocked;
    return __atomic_compare_exchange_n(&mutex->_bits, &expected, mutex_locked, false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

inline ExclusiveHold::ExclusiveHold(Domain& domain, PyObject* lock, PyThreadState* thread, Unlisted)
    : domain_(&domain),
      lock_(lock),
      thread_(thread),
      previous_(thread_record.innermost),
      lender_(nullptr),
      argument_(nullptr),
      state_(State::none),
      left_(true),
      lets_readers_in_(false),
      is_reader_(false),
      must_prepare_(false) {}

inline void ExclusiveHold::list() {
    left_ = false;
    thread_record.innermost = this;
}

inline ExclusiveHold::ExclusiveHold(Domain& domain, PyObject* lock, Unentered)
    : ExclusiveHold(domain, lock, thread_state(), Unlisted{}) {
    list();
}

inline ExclusiveHold::ExclusiveHold(Domain& domain, AtOnce)
    : ExclusiveHold(domain, domain.lock_object(), thread_state_at_once(), Unlisted{}) {
    if (thread_ == nullptr) [[unlikely]]
        return;
    if (is_covered())
        state_ = State::covered;
    else if (!try_alone_at_once()) [[unlikely]]
        return;
    list();
}

inline ExclusiveHold::ExclusiveHold(Domain& domain, SharedAtOnce)
    : ExclusiveHold(domain, domain.lock_object(), thread_state_at_once(), Unlisted{}) {
    is_reader_ = true;
    if (thread_ != nullptr && may_lie_dormant_on(thread_->critical_section)) [[likely]]
        read_at_once();
}

// These delegate, so that the destructor runs when the thread is ended while it waits in here.
inline ExclusiveHold::ExclusiveHold(Domain& domain, PyObject* argument)
    : ExclusiveHold(domain, domain.lock_object(), Unentered{}) {
    enter(argument);
}

inline ExclusiveHold::ExclusiveHold(Domain& domain, Receiver receiver, PyObject* argument)
    : ExclusiveHold(domain, receiver.object, Unentered{}) {
    enter(argument == receiver.object ? nullptr : argument);
}

inline void ExclusiveHold::enter(PyObject* argument) {
    if (thread_ == nullptr) [[unlikely]]
        return;
    if (argument == nullptr && is_covered()) {
        state_ = State::covered;
        return;
    }
    if (argument == nullptr ? !try_alone() : !try_fast(argument)) [[unlikely]]
        enter_nested_or_wait(argument);
}

// The same with no argument, for a hold that has none yet: CPython looks at the second mutex only
// where the tag says that there is one.
inline bool ExclusiveHold::try_alone() {
    if (!try_alone_at_once())
        return false;
    if (must_prepare_) [[unlikely]]
        prepare();
    return true;
}

inline bool ExclusiveHold::try_alone_at_once() {
    if (domain_->is_reserved() || !try_lock(mutex()))
        return false;
    section_._cs_base._cs_mutex = mutex();
    section_._cs_base._cs_prev = thread_->critical_section;
    thread_->critical_section = reinterpret_cast<std::uintptr_t>(&section_);
    state_ = State::own;
    if (locks_domain()) {
        domain_->writer_comes();
        must_prepare_ = domain_->readers().readers_possible();
    }
    return true;
}

inline void ExclusiveHold::read_at_once() {
    switch (domain_->readers().try_enter_at_once(thread_)) {
        case ReaderSlots::Entered::yes:
            section_._cs_base._cs_mutex = mutex();
            link_dormant();
            list();
            return;
        case ReaderSlots::Entered::taken_back_later:
            must_prepare_ = true;
            state_ = State::aside;
            list();
            return;
        case ReaderSlots::Entered::no:
            return;
    }
}

inline ExclusiveHold::ExclusiveHold(Domain& domain, TryOnly)
    : ExclusiveHold(domain, domain.lock_object(), Unentered{}) {
    if (thread_ != nullptr && (thread_->critical_section == 0 || !enter_nested()) && !try_alone())
        spin_for(nullptr);
}

inline bool ExclusiveHold::try_fast(PyObject* argument) {
    if (domain_->is_reserved() || !try_lock(mutex()))
        return false;
    if (argument != nullptr && !try_lock(&argument->ob_mutex)) {
        PyMutex_Unlock(mutex());
        return false;
    }
    fill_section(argument);
    link_on_top();
    state_ = State::own;
    begin_writing();
    return true;
}

// A hold that reads, even one that has become exclusive, has not turned other readers out.
inline bool ExclusiveHold::is_covered() const {
    return section_locks(thread_->critical_section, mutex()) &&
           (previous_ == nullptr || !previous_->is_reader_);
}

// On top, in force, without a second mutex, above nothing that is suspended, and with nobody
// waiting: the mutex then has only this to lose.
inline void ExclusiveHold::unlock_and_unlink() {
    const std::uintptr_t below = section_._cs_base._cs_prev;
    std::uint8_t expected = mutex_locked;
    if (thread_->critical_section == reinterpret_cast<std::uintptr_t>(&section_) &&
        (below & section_inactive) == 0 &&
        __atomic_compare_exchange_n(&mutex()->_bits, &expected, mutex_unlocked, false,
                                    __ATOMIC_RELEASE, __ATOMIC_RELAXED)) [[likely]] {
        thread_->critical_section = below;
        return;
    }
    unlock_and_unlink_slowly();
}

inline void ExclusiveHold::begin_writing() {
    if (!locks_domain())
        return;
    domain_->writer_comes();
    if (domain_->readers().readers_possible()) [[unlikely]]
        exclude_readers();
}

inline void ExclusiveHold::end_writing() {
    if (locks_domain())
        domain_->writer_goes();
    if (lets_readers_in_ && !domain_->has_writers()) [[unlikely]]
        domain_->readers().allow();
    unlock_and_unlink();
}

// Two mutexes stand in the order of their addresses, the order in which CPython takes them when it
// resumes.
inline void ExclusiveHold::fill_section(PyObject* argument) {
    PyMutex* first = mutex();
    PyMutex* second = argument == nullptr ? nullptr : &argument->ob_mutex;
    if (second != nullptr && second < first)
        std::swap(first, second);
    section_._cs_base._cs_mutex = first;
    section_._cs_mutex2 = second;
    set_argument(argument);
}

inline void ExclusiveHold::set_argument(PyObject* argument) {
    if (argument != argument_) {
        thread_record.attention += argument != nullptr;
        thread_record.attention -= argument_ != nullptr;
        argument_ = argument;
    }
}

inline void ExclusiveHold::link_on_top() {
    section_._cs_base._cs_prev = thread_->critical_section;
    const auto address = reinterpret_cast<std::uintptr_t>(&section_);
    thread_->critical_section = argument_ == nullptr ? address : address | section_two_mutexes;
}

// See shared_hold.cpp.
inline void ExclusiveHold::link_dormant() {
    section_._cs_base._cs_prev = thread_->critical_section;
    thread_->critical_section = reinterpret_cast<std::uintptr_t>(&section_) | section_inactive;
    state_ = State::reading;
    ++thread_record.attention;
}

inline void ExclusiveHold::stop_reading() {
    --thread_record.attention;
    const auto address = reinterpret_cast<std::uintptr_t>(&section_);
    if (thread_->critical_section == (address | section_inactive)) [[likely]]
        thread_->critical_section = section_._cs_base._cs_prev;
    else
        stop_reading_resumed();
    if (domain_->readers().leave()) [[unlikely]]
        let_scanners_finish();
}

inline bool ExclusiveHold::is_on_top() const {
    return (thread_->critical_section & ~section_tags) ==
           reinterpret_cast<std::uintptr_t>(&section_);
}

inline void ExclusiveHold::leave() {
    if (thread_record.has_fresh_types && previous_ == nullptr) [[unlikely]]
        fresh_types::finish();
    left_ = true;
    thread_record.innermost = previous_;
    if (state_ == State::own)
        end_writing();
    else if (state_ == State::reading)
        stop_reading();
    else if (state_ > State::own)
        leave_otherwise();
    set_argument(nullptr);
    if (previous_ == nullptr && thread_record.borrowed != nullptr)
        thread_record.borrowed->drain();
}

inline ExclusiveHold::~ExclusiveHold() noexcept(false) {
    if (!left_) [[unlikely]]
        leave_while_unwinding();
}

}  // namespace pythonnogil::shim
