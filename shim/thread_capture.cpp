#include "shim/thread_capture.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

#include <array>
#include <atomic>
#include <cerrno>

extern "C" const char pythonnogil_guarded_call[] __attribute__((visibility("hidden"), weak));

namespace pythonnogil::shim::thread_capture {

namespace {

constexpr std::size_t most_frames = 64;
constexpr std::size_t most_entries = 16;
constexpr std::size_t longest_python_stack = 65536;
constexpr int patience_ms = 1000;

enum State : int { idle, asked, taking, taken };

// Question and answer. Whoever changes the state owns the rest: asked and taken are the watchdog's,
// taking is the interrupted thread's.
struct Exchange {
    std::atomic<int> state{idle};
    std::atomic<pid_t> thread{0};
    const void* section = nullptr;
    bool wants_python = false;
    std::size_t frames = 0;
    std::array<std::uintptr_t, most_frames> code{};
    std::size_t entries = 0;
    std::array<EntryOnStack, most_entries> entered{};
    ExclusiveHold::Lock lock{};
};

constinit Exchange exchange;
int signal_number = 0;
int python_file = -1;
struct stat python_file_was {};
void (*python_handler)(int) = nullptr;

pid_t this_thread() {
    return static_cast<pid_t>(syscall(SYS_gettid));
}

// A thunk's tail has pushed the address of the entry before it called the dispatcher, so that is
// where the stack pointer points to in this frame.
void note_entry(_Unwind_Context* context, std::uintptr_t code) {
#ifdef __x86_64__
    const auto tail = reinterpret_cast<std::uintptr_t>(pythonnogil_guarded_call);
    constexpr std::uintptr_t size_of_tail = 16;
    if (code <= tail || code >= tail + size_of_tail || exchange.entries == most_entries)
        return;
    const std::uintptr_t stack = _Unwind_GetCFA(context);
    exchange.entered[exchange.entries++] = {*reinterpret_cast<const Entry* const*>(stack), stack};
#else
    (void)context, (void)code;
#endif
}

_Unwind_Reason_Code note_frame(_Unwind_Context* context, void*) {
    int was_interrupted = 0;
    const std::uintptr_t code = _Unwind_GetIPInfo(context, &was_interrupted);
    // Before it there was only our own handler.
    if (was_interrupted != 0)
        exchange.frames = 0;
    if (code == 0 || exchange.frames == most_frames)
        return _URC_END_OF_STACK;
    exchange.code[exchange.frames++] = code;
    note_entry(context, code);
    return _URC_NO_REASON;
}

void on_signal(int number) {
    const int error = errno;
    int expected = asked;
    if (exchange.thread.load() == this_thread() &&
        exchange.state.compare_exchange_strong(expected, taking)) {
        exchange.frames = 0;
        exchange.entries = 0;
        _Unwind_Backtrace(note_frame, nullptr);
        exchange.lock = ExclusiveHold::lock_of_section(exchange.section);
        if (exchange.wants_python && python_handler != nullptr)
            python_handler(number);
        exchange.state.store(taken);
    }
    errno = error;
}

// The program may have closed all files that it does not know, and opened others in their place.
bool python_file_is_ours() {
    struct stat now {};
    return fstat(python_file, &now) == 0 && now.st_dev == python_file_was.st_dev &&
           now.st_ino == python_file_was.st_ino;
}

bool waits_for_answer(int state, int milliseconds) {
    constexpr timespec millisecond{0, 1'000'000};
    for (int i = 0; i < milliseconds && exchange.state.load() == state; ++i)
        nanosleep(&millisecond, nullptr);
    return exchange.state.load() != state;
}

// True when the answer is there.
bool ask(pid_t thread, const void* section) {
    int expected = idle;
    if (exchange.state.load() == taking)
        return false;  // an earlier one never came back from its handler
    exchange.section = section;
    exchange.wants_python = python_file_is_ours() && ftruncate(python_file, 0) == 0 &&
                            lseek(python_file, 0, SEEK_SET) == 0;
    exchange.thread.store(thread);
    exchange.state.store(asked);
    if (syscall(SYS_tgkill, getpid(), thread, signal_number) == 0)
        waits_for_answer(asked, patience_ms);
    expected = asked;
    if (exchange.state.compare_exchange_strong(expected, idle))
        return false;
    return waits_for_answer(taking, patience_ms);
}

std::string python_stack() {
    std::string text(longest_python_stack, '\0');
    const ssize_t size =
        exchange.wants_python ? pread(python_file, text.data(), text.size(), 0) : 0;
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return text;
}

}  // namespace

int free_signal() {
    for (int number = SIGRTMAX; number > SIGRTMIN; --number) {
        struct sigaction action {};
        if (sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_DFL)
            return number;
    }
    return -1;
}

void install(int signal, int python_stacks) {
    signal_number = signal;
    python_file = python_stacks;
    fstat(python_file, &python_file_was);
    // The unwinder is loaded and ready before a handler needs it.
    _Unwind_Backtrace([](_Unwind_Context*, void*) { return _URC_NO_REASON; }, nullptr);
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    if (before.sa_handler != &on_signal)
        python_handler = before.sa_handler == SIG_DFL ? nullptr : before.sa_handler;
    struct sigaction action {};
    action.sa_handler = &on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(signal, &action, nullptr);
}

void uninstall() {
    struct sigaction action {};
    action.sa_handler = SIG_IGN;
    sigaction(signal_number, &action, nullptr);
}

Captured capture(pid_t thread, const void* section) {
    Captured captured;
    if (!ask(thread, section)) {
        captured.failure = "the thread has ended, or takes no signals";
        return captured;
    }
    captured.code.assign(exchange.code.begin(), exchange.code.begin() + exchange.frames);
    captured.entries.assign(exchange.entered.begin(), exchange.entered.begin() + exchange.entries);
    captured.lock = exchange.lock;
    captured.python = python_stack();
    exchange.state.store(idle);
    return captured;
}

}  // namespace pythonnogil::shim::thread_capture
