// Around every call from legacy code into a C-API function that may run other code or lock a
// container.
//
// Three things happen there. A shared hold is let go of, so that no writer waits for code that is
// not legacy. A locked argument is given back for the length of the call, because
// CPython would lock it a second time. And threads that this hold has kept waiting for the switch
// interval are let in, as they would be where a GIL changes hands: in Python code. So they are not
// when the objects that the call is about are plain data.
//
// Thread-safety: the running thread's own hold. Costs two loads when there is nothing to do.
#pragma once

#include <type_traits>

#include "shim/exclusive_hold.hpp"
#include "shim/plain_data.hpp"

namespace pythonnogil::shim {

class CallOut {
  public:
    // The arguments of the call; none when nothing is known of it.
    template <typename... Arguments>
    explicit CallOut(Arguments... arguments) {
        const ExclusiveHold* const innermost = thread_record.innermost;
        if (innermost != nullptr && (thread_record.attention != 0 || innermost->is_waited_for()))
            [[unlikely]]
            before(are_plain_data(arguments...));
    }

    // For a call that locks the argument which is locked: under a GIL nobody would be let in.
    struct LetNobodyIn {};
    explicit CallOut(LetNobodyIn) { before(true); }

    // To be called when the call returned. An exception that passes leaves the argument unlocked;
    // the hold ends anyway.
    void returned() {
        if (hold_ != nullptr) [[unlikely]]
            after();
    }

    CallOut(const CallOut&) = delete;
    CallOut& operator=(const CallOut&) = delete;

  private:
    void before(bool lets_nobody_in) {
        hold_ = ExclusiveHold::on_top();
        if (hold_ == nullptr)
            return;
        was_reading_ = hold_->is_reading();
        if (was_reading_) {
            hold_->set_reading_aside();
            return;
        }
        if (!lets_nobody_in)
            hold_->hand_over_if_due();
        argument_ = hold_->release_argument();
    }

    void after() {
        if (was_reading_)
            hold_->take_reading_up();
        else if (argument_ != nullptr)
            hold_->reacquire_argument(argument_);
    }

    ExclusiveHold* hold_ = nullptr;
    PyObject* argument_ = nullptr;
    bool was_reading_ = false;
};

// The replacement for a C-API function that needs nothing else.
template <auto function>
struct CallOutTo;

template <typename Result, typename... Arguments, Result (*function)(Arguments...)>
struct CallOutTo<function> {
    static Result call(Arguments... arguments) {
        CallOut call_out(arguments...);
        const Result result = function(arguments...);
        call_out.returned();
        return result;
    }
};

inline bool is_locked_argument(PyObject* object) {
    return ExclusiveHold::has_locked(object);
}
template <typename Other>
bool is_locked_argument(Other) {
    return false;
}

// The replacement for one that locks containers among its arguments, and runs other code hardly
// ever.
template <auto function>
struct CallOn;

template <typename Result, typename... Arguments, Result (*function)(Arguments...)>
struct CallOn<function> {
    static Result call(Arguments... arguments) {
        if (!(is_locked_argument(arguments) || ...)) [[likely]]
            return function(arguments...);
        CallOut call_out{CallOut::LetNobodyIn{}};
        if constexpr (std::is_void_v<Result>) {
            function(arguments...);
            call_out.returned();
        } else {
            const Result result = function(arguments...);
            call_out.returned();
            return result;
        }
    }
};

}  // namespace pythonnogil::shim
