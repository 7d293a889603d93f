#include "shim/stack_switch.hpp"

#include <utility>

#include "shim/borrowed_pool.hpp"
#include "shim/exclusive_hold.hpp"
#include "shim/recorder.hpp"

namespace pythonnogil::shim {

namespace {

void unlock(const PyCriticalSection2& section, bool has_two_mutexes) {
    if (section._cs_base._cs_mutex == nullptr)
        return;
    PyMutex_Unlock(section._cs_base._cs_mutex);
    if (has_two_mutexes && section._cs_mutex2 != nullptr)
        PyMutex_Unlock(section._cs_mutex2);
}

// Suspends all sections of the thread as CPython does at a detach (_PyCriticalSection_SuspendAll,
// which is not public), and unlinks them. Returns the chain.
std::uintptr_t take_sections_off(PyThreadState* thread) {
    std::uintptr_t* link = &thread->critical_section;
    while (*link != 0 && (*link & section_inactive) == 0) {
        auto* const section = reinterpret_cast<PyCriticalSection2*>(*link & ~section_tags);
        unlock(*section, (*link & section_two_mutexes) != 0);
        *link |= section_inactive;
        link = &section->_cs_base._cs_prev;
    }
    return std::exchange(thread->critical_section, 0);
}

// CPython takes the top-most section of a thread up when the thread attaches.
void put_sections_back(PyThreadState* thread, std::uintptr_t sections) {
    thread->critical_section = sections;
    if (sections != 0)
        PyEval_RestoreThread(PyEval_SaveThread());
}

// What the thread knows of the stack it is on, moved into an object on that stack.
class StackRecord {
  public:
    StackRecord()
        : innermost_(std::exchange(thread_record.innermost, nullptr)),
          attention_(std::exchange(thread_record.attention, 0)),
          observed_(std::exchange(recorder::this_thread.innermost, nullptr)) {
        swap_borrowed();
    }
    void put_back() {
        thread_record.innermost = innermost_;
        thread_record.attention = attention_;
        recorder::this_thread.innermost = observed_;
        swap_borrowed();
    }

  private:
    // Another stack's outermost call must not drop the references of this one.
    void swap_borrowed() {
        if (thread_record.borrowed != nullptr)
            std::swap(borrowed_, *thread_record.borrowed);
    }

    ExclusiveHold* innermost_;
    std::size_t attention_;
    ObservedCall* observed_;
    BorrowedPool borrowed_;
};

}  // namespace

std::intptr_t call_that_switches_stacks(const Entry& entry, std::intptr_t a0, std::intptr_t a1,
                                        std::intptr_t a2, std::intptr_t a3, std::intptr_t a4,
                                        std::intptr_t a5) {
    PyThreadState* const thread = PyThreadState_GetUnchecked();
    const std::uintptr_t sections = take_sections_off(thread);
    recorder::leave();
    StackRecord record;
    const std::intptr_t result = entry.function(a0, a1, a2, a3, a4, a5);
    record.put_back();
    put_sections_back(thread, sections);
    recorder::come_back();
    return result;
}

}  // namespace pythonnogil::shim
