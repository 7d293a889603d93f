#include "shim/lock_holders.hpp"

#include "shim/safe_read.hpp"

namespace pythonnogil::shim {

namespace {

// Lists that change while they are read might lead in circles.
constexpr int longest_list = 10'000;

bool read_section(std::uintptr_t tagged, PyCriticalSection2& section) {
    const auto* const address = reinterpret_cast<const void*>(tagged & ~section_tags);
    if ((tagged & section_two_mutexes) != 0)
        return safe_read(address, section);
    section._cs_mutex2 = nullptr;
    return safe_read(address, section._cs_base);
}

ThreadView view(const PyThreadState& state) {
    return {static_cast<pid_t>(state.native_thread_id), is_attached(&state),
            state.critical_section};
}

void view_threads_of(PyInterpreterState* interpreter, std::vector<ThreadView>& all) {
    const PyThreadState* next = PyInterpreterState_ThreadHead(interpreter);
    PyThreadState state;
    for (int i = 0; i < longest_list && next != nullptr && safe_read(next, state); ++i) {
        all.push_back(view(state));
        next = state.next;
    }
}

}  // namespace

std::optional<ThreadView> view_thread(const void* thread_state) {
    PyThreadState state;
    if (thread_state == nullptr || !safe_read(thread_state, state))
        return std::nullopt;
    return view(state);
}

std::vector<ThreadView> view_threads() {
    std::vector<ThreadView> all;
    for (PyInterpreterState* interpreter = PyInterpreterState_Head(); interpreter != nullptr;
         interpreter = PyInterpreterState_Next(interpreter))
        view_threads_of(interpreter, all);
    return all;
}

const void* section_in_force(const ThreadView& thread, const PyMutex* mutex) {
    std::uintptr_t tagged = thread.sections;
    PyCriticalSection2 section;
    for (int i = 0; i < longest_list && tagged != 0 && (tagged & section_inactive) == 0; ++i) {
        if (!read_section(tagged, section))
            return nullptr;
        if (section._cs_base._cs_mutex == mutex || section._cs_mutex2 == mutex)
            return reinterpret_cast<const void*>(tagged & ~section_tags);
        tagged = section._cs_base._cs_prev;
    }
    return nullptr;
}

const void* section_waited_for(const ThreadView& thread) {
    PyCriticalSection2 section;
    if (thread.is_attached || (thread.sections & section_inactive) == 0 ||
        !read_section(thread.sections, section) || section._cs_base._cs_mutex != nullptr)
        return nullptr;
    return reinterpret_cast<const void*>(thread.sections & ~section_tags);
}

}  // namespace pythonnogil::shim
