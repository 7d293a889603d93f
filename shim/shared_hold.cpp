// The shared side of ExclusiveHold.
//
// A reader announces itself in its slot and links a *dormant* section: one on the domain's mutex
// that it has not locked, marked as suspended. CPython passes over such a section when the thread
// detaches, and locks its mutex when the thread attaches again. So a thread that is detached is no
// reader any more, whatever its slot says, and one that comes back is alone; nothing has to be told
// of it. A nested section of CPython's own, ended above a dormant one, takes it up in the same way.

#include <sched.h>

#include "shim/exclusive_hold.hpp"
#include "shim/recorder.hpp"
#include "shim/watchdog.hpp"

namespace pythonnogil::shim {

namespace {

constexpr int looks_before_detaching = 20;

// Waits a little for readers to go. They may need this thread to stop for the collector, or
// something that it holds, so it soon waits detached.
class Patience {
  public:
    void wait() {
        if (++looks_ <= looks_before_detaching)
            sched_yield();
        else
            nap_detached();
    }

  private:
    int looks_ = 0;
};

}  // namespace

ExclusiveHold::ExclusiveHold(Domain& domain, Shared)
    : ExclusiveHold(domain, domain.lock_object(), Unentered{}) {
    is_reader_ = true;
    if (thread_ == nullptr)
        return;
    if (section_locks(thread_->critical_section, mutex())) {
        is_reader_ = previous_ != nullptr && previous_->is_reader_;
        state_ = State::covered;
    } else if (!try_read()) {
        wait_to_read();
    }
}

void ExclusiveHold::wait_to_read() {
    ExclusiveHold* const lender = find_lender();
    if (lender != nullptr && borrow_from(*lender, nullptr)) {
        be_alone();
        return;
    }
    wait_for_lock(nullptr);
    if (read_as_owner())
        return;
    be_alone();
    begin_writing();
}

// A reader that had to wait owns the mutex now. Unless a suspended writer will come back, it turns
// nobody out: readers that queue up behind one another would otherwise go on one by one for ever.
bool ExclusiveHold::read_as_owner() {
    if (domain_->has_writers() || !may_lie_dormant_on(section_._cs_base._cs_prev))
        return false;
    announce_thread();
    domain_->readers().allow();
    domain_->readers().enter_as_owner();
    thread_->critical_section |= section_inactive;
    state_ = State::reading;
    ++thread_record.attention;
    PyMutex_Unlock(mutex());
    return true;
}

// So that writers can tell whether this reader is attached.
void ExclusiveHold::announce_thread() {
    auto& self = ReaderSlots::Registry::this_thread();
    if (self.user.load(std::memory_order_relaxed) != thread_)
        self.user.store(thread_, std::memory_order_relaxed);
}

void ExclusiveHold::be_alone() {
    is_reader_ = false;
    lets_readers_in_ = true;
}

bool ExclusiveHold::try_read() {
    if (!may_lie_dormant_on(thread_->critical_section))
        return false;
    announce_thread();
    if (!domain_->readers().try_enter())
        return false;
    fill_section(nullptr);
    link_dormant();
    return true;
}

void ExclusiveHold::prepare() {
    must_prepare_ = false;
    if (state_ == State::own) {
        exclude_readers();
        return;
    }
    domain_->readers().take_back();
    wait_to_read();
}

// CPython has taken the section up, and locked its mutex, when the thread attached.
void ExclusiveHold::stop_reading_resumed() {
    if (!is_on_top())
        Py_FatalError("pythonnogil: critical sections ended out of order inside a guarded call");
    unlock_and_unlink();
}

void ExclusiveHold::let_scanners_finish() {
    while (domain_->is_scanned())
        sched_yield();
}

void ExclusiveHold::set_reading_aside() {
    stop_reading();
    state_ = State::aside;
    recorder::leave();
}

void ExclusiveHold::take_reading_up() {
    if (!try_read())
        wait_to_read();
    recorder::come_back();
}

void ExclusiveHold::exclude_readers() {
    const watchdog::Wait watched(*domain_, mutex(), nullptr, watchdog::Goal::no_readers);
    Patience patience;
    domain_->begin_scan();
    domain_->readers().revoke(
        [](const auto& record) {
            return !is_attached(static_cast<PyThreadState*>(record.user.load()));
        },
        [&](std::uint32_t) {
            domain_->end_scan();
            const recorder::Wait wait;
            patience.wait();
            domain_->begin_scan();
            return true;
        });
    domain_->end_scan();
}

}  // namespace pythonnogil::shim
