#include "shim/watchdog.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "shim/lock_holders.hpp"
#include "shim/thread_capture.hpp"
#include "shim/watchdog_report.hpp"

namespace pythonnogil::shim::watchdog {

std::atomic<bool> is_on{false};

namespace {

std::int64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

}  // namespace

// The waits that threads have put on it, the newest first.
struct WaitList {
    std::mutex mutex;  // guards the links and whether a wait is reported
    Wait* newest = nullptr;

    void add(Wait& wait) {
        const std::lock_guard lock(mutex);
        wait.previous_ = nullptr;
        wait.next_ = newest;
        if (newest != nullptr)
            newest->previous_ = &wait;
        newest = &wait;
    }

    void remove(Wait& wait) {
        const std::lock_guard lock(mutex);
        (wait.previous_ == nullptr ? newest : wait.previous_->next_) = wait.next_;
        if (wait.next_ != nullptr)
            wait.next_->previous_ = wait.previous_;
    }

    std::vector<Waiting> all() {
        std::vector<Waiting> waits;
        const std::lock_guard lock(mutex);
        for (const Wait* wait = newest; wait != nullptr; wait = wait->next_)
            waits.push_back(wait->waiting_);
        return waits;
    }

    // One that has lasted since then, or longer, and is not reported yet.
    std::optional<Waiting> due(std::int64_t since) {
        const std::lock_guard lock(mutex);
        for (Wait* wait = newest; wait != nullptr; wait = wait->next_) {
            if (!wait->is_reported_ && wait->waiting_.since <= since)
                return wait->waiting_;
        }
        return std::nullopt;
    }

    // The report of one contains all others for the same lock.
    void note_report(const Waiting& reported) {
        const std::lock_guard lock(mutex);
        for (Wait* wait = newest; wait != nullptr; wait = wait->next_)
            wait->is_reported_ |= wait->waiting_.shares_a_lock(reported);
    }
};

namespace {

// Never destroyed: threads may wait while the process ends.
WaitList& wait_list() {
    static auto* const list = new WaitList;
    return *list;
}

}  // namespace

void Wait::begin(Domain& domain, const PyMutex* mutex, const PyMutex* second, Goal goal) {
    const auto thread = static_cast<pid_t>(syscall(SYS_gettid));
    waiting_ = {thread, monotonic_ns(), &domain, mutex, second, goal};
    wait_list().add(*this);
    is_listed_ = true;
}

void Wait::end() {
    wait_list().remove(*this);
}

namespace {

// --- waits that are seen from outside ---

// Since when a thread has been waiting for CPython to take a section up again. A thread that was
// let in meanwhile, and waits once more, has used processor time.
struct Observed {
    const void* section;
    std::int64_t since;
    std::int64_t processor_time;
    bool is_reported = false;
    bool is_identified = false;
    std::optional<Waiting> wait = std::nullopt;  // nothing where the lock is none of ours
};

std::int64_t processor_time_of(pid_t thread) {
    // The kernel's number for the scheduler's clock of one thread (CPUCLOCK_SCHED | PERTHREAD).
    const auto clock = static_cast<clockid_t>(~static_cast<unsigned>(thread) << 3 | 6U);
    timespec used{};
    return clock_gettime(clock, &used) == 0 ? used.tv_sec * 1'000'000'000LL + used.tv_nsec : -1;
}

using Observations = std::map<pid_t, Observed>;

Observations observe(const Observations& before, const std::vector<Waiting>& listed) {
    Observations now;
    for (const ThreadView& thread : view_threads()) {
        const void* const section = section_waited_for(thread);
        if (section == nullptr || std::ranges::count(listed, thread.thread, &Waiting::thread) != 0)
            continue;
        const std::int64_t used = processor_time_of(thread.thread);
        const auto known = before.find(thread.thread);
        const bool is_the_same = known != before.end() && known->second.section == section &&
                                 known->second.processor_time == used;
        now.insert_or_assign(thread.thread,
                             is_the_same ? known->second : Observed{section, monotonic_ns(), used});
    }
    return now;
}

// Asks the thread which lock it is.
void identify(pid_t thread, Observed& observed) {
    if (observed.is_identified)
        return;
    observed.is_identified = true;
    const auto captured = thread_capture::capture(thread, observed.section);
    // To answer takes processor time.
    observed.processor_time = processor_time_of(thread);
    const ExclusiveHold::Lock& lock = captured.lock;
    if (lock.domain != nullptr)
        observed.wait =
            Waiting{thread, observed.since, lock.domain, lock.mutex, lock.second, Goal::lock};
}

// --- the thread ---

struct Watchdog {
    Settings settings{};
    pthread_t thread{};
    std::atomic<bool> is_running{false};
    std::atomic<bool> has_ended{false};
    std::atomic<bool> shall_end{false};
    std::atomic<bool> shall_show_state{false};
    sem_t attention{};  // posted in the handler of a signal, too
    bool can_print = true;
};

constinit Watchdog watchdog;

void print(const std::string& text) {
    std::size_t printed = 0;
    while (watchdog.can_print && printed < text.size()) {
        const ssize_t count = write(STDERR_FILENO, text.data() + printed, text.size() - printed);
        if (count < 0 && errno != EINTR)
            return;
        printed += count < 0 ? 0 : static_cast<std::size_t>(count);
    }
}

std::vector<Waiting> all_waits(Observations& observations) {
    std::vector<Waiting> all = wait_list().all();
    for (auto& [thread, observed] : observations) {
        identify(thread, observed);
        if (observed.wait)
            all.push_back(*observed.wait);
    }
    return all;
}

std::optional<Waiting> due(Observations& observations, std::int64_t since) {
    if (const auto wait = wait_list().due(since))
        return wait;
    for (auto& [thread, observed] : observations) {
        if (observed.is_reported || observed.since > since)
            continue;
        identify(thread, observed);
        if (observed.wait)
            return observed.wait;
        observed.is_reported = true;
    }
    return std::nullopt;
}

void report_long_waits(Observations& observations, std::int64_t limit) {
    while (const auto wait = due(observations, monotonic_ns() - limit)) {
        const std::vector<Waiting> all = all_waits(observations);
        wait_list().note_report(*wait);
        for (auto& [thread, observed] : observations)
            observed.is_reported |= observed.wait && observed.wait->shares_a_lock(*wait);
        print(describe_wait(*wait, all, watchdog.settings));
        // Stacks were taken of them once more.
        for (auto& [thread, observed] : observations)
            observed.processor_time = processor_time_of(thread);
    }
}

void show_state() {
    Observations observations = observe({}, wait_list().all());
    print(describe_state(all_waits(observations), watchdog.settings));
}

// Several looks within the limit, but no more than a thousand in a second.
void sleep_for_a_look(std::int64_t limit) {
    constexpr std::int64_t second = 1'000'000'000;
    if (limit == 0) {
        sem_wait(&watchdog.attention);
        return;
    }
    const std::int64_t length = std::clamp<std::int64_t>(limit / 8, second / 1000, second / 4);
    timespec until{};
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += length;
    until.tv_sec += until.tv_nsec / second;
    until.tv_nsec %= second;
    sem_clockwait(&watchdog.attention, CLOCK_MONOTONIC, &until);
}

void* watch(void*) {
    const std::int64_t limit = watchdog.settings.limit_ns;
    Observations observations;
    while (!watchdog.shall_end.load()) {
        sleep_for_a_look(limit);
        if (watchdog.shall_show_state.exchange(false))
            show_state();
        if (limit == 0 || watchdog.shall_end.load())
            continue;
        observations = observe(observations, wait_list().all());
        report_long_waits(observations, limit);
    }
    watchdog.has_ended.store(true);
    return nullptr;
}

void on_state_signal(int) {
    const int error = errno;
    watchdog.shall_show_state.store(true);
    sem_post(&watchdog.attention);
    errno = error;
}

// Signals of the program are for its own threads.
void start_thread() {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    sem_init(&watchdog.attention, 0, 0);
    watchdog.shall_end.store(false);
    watchdog.has_ended.store(false);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    watchdog.is_running.store(pthread_create(&watchdog.thread, nullptr, watch, nullptr) == 0);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    is_on.store(watchdog.is_running.load());
}

void before_fork() {
    wait_list().mutex.lock();
}

void after_fork_in_parent() {
    wait_list().mutex.unlock();
}

// Nobody waits in the child, and nobody watches.
void after_fork_in_child() {
    wait_list().newest = nullptr;
    wait_list().mutex.unlock();
    is_on.store(false);
    watchdog.is_running.store(false);
}

}  // namespace

void start(const Settings& settings) {
    static const int registered =
        pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    (void)registered;
    watchdog.settings = settings;
    // Closed from the start, its number will be that of some file of the program's.
    watchdog.can_print = fcntl(STDERR_FILENO, F_GETFD) >= 0;
    thread_capture::install(settings.capture_signal, settings.python_stacks);
    if (settings.state_signal != 0) {
        struct sigaction action {};
        action.sa_handler = on_state_signal;
        action.sa_flags = SA_RESTART;
        sigaction(settings.state_signal, &action, nullptr);
    }
    start_thread();
}

void restart_in_child(int python_stacks) {
    if (watchdog.settings.capture_signal == 0)
        return;
    watchdog.settings.python_stacks = python_stacks;
    thread_capture::install(watchdog.settings.capture_signal, watchdog.settings.python_stacks);
    start_thread();
}

namespace {

// A thread that cannot get rid of what it prints is left behind.
void end_thread() {
    is_on.store(false);
    watchdog.shall_end.store(true);
    sem_post(&watchdog.attention);
    constexpr timespec millisecond{0, 1'000'000};
    for (int i = 0; i < 2000 && !watchdog.has_ended.load(); ++i)
        nanosleep(&millisecond, nullptr);
    if (watchdog.has_ended.load())
        pthread_join(watchdog.thread, nullptr);
}

}  // namespace

void stop() {
    if (watchdog.is_running.exchange(false))
        end_thread();
    if (watchdog.settings.capture_signal != 0)
        thread_capture::uninstall();
}

}  // namespace pythonnogil::shim::watchdog
