#include "shim/watchdog_report.hpp"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <utility>

#include "shim/lock_holders.hpp"
#include "shim/symbols.hpp"
#include "shim/thread_capture.hpp"

namespace pythonnogil::shim::watchdog {

namespace {

constexpr std::size_t most_threads = 16;

struct Holder {
    pid_t thread;
    const void* section;  // by which it holds the lock; null for a reader
};

std::string seconds_since(std::int64_t since) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const std::int64_t passed = now.tv_sec * 1'000'000'000LL + now.tv_nsec - since;
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.2f s", static_cast<double>(passed) * 1e-9);
    return text.data();
}

std::string thread_name(pid_t thread) {
    return "thread " + std::to_string(thread);
}

std::vector<Holder> owners_of(const PyMutex* mutex) {
    std::vector<Holder> owners;
    for (const ThreadView& thread : view_threads()) {
        const void* const section = mutex == nullptr ? nullptr : section_in_force(thread, mutex);
        if (section != nullptr)
            owners.push_back({thread.thread, section});
    }
    return owners;
}

// Whether a reader is attached, and which thread it is, says its thread state.
std::vector<Holder> readers_of(Domain& domain) {
    std::vector<Holder> readers;
    for (const auto* record = ReaderSlots::Registry::first(); record != nullptr;
         record = record->next) {
        const bool reads = std::ranges::any_of(record->entries, [&](const auto& entry) {
            return entry.lock.load(std::memory_order_relaxed) == &domain.readers();
        });
        const auto thread = view_thread(record->primary->user.load());
        if (reads && thread && thread->is_attached)
            readers.push_back({thread->thread, nullptr});
    }
    return readers;
}

std::vector<Holder> holders_of(const Waiting& wait) {
    if (wait.goal == Goal::no_readers)
        return readers_of(*wait.domain);
    std::vector<Holder> holders = owners_of(wait.mutex);
    const std::vector<Holder> more = owners_of(wait.second);
    holders.insert(holders.end(), more.begin(), more.end());
    return holders;
}

// One text. Each thread is asked once for it, and its stacks come at the end.
class Report {
  public:
    explicit Report(const Settings& settings) : settings_(settings) {}

    void add_waiter(const Waiting& wait) {
        line("  " + thread_name(wait.thread) + " has waited " + seconds_since(wait.since) +
             " for " + goal_of(wait) + ", to run " + innermost(stack_of(wait.thread)));
    }

    void add_holders(const Waiting& wait) {
        const std::vector<Holder> holders = holders_of(wait);
        for (const Holder& holder : holders)
            add_holder(holder);
        if (holders.empty())
            line(
                "  nobody is seen to hold it: it may have been given up just now, or be held "
                "in a way that leaves no trace");
    }

    void add_holder(const Holder& holder) {
        const auto& captured = stack_of(holder.thread);
        std::string text = "  " + thread_name(holder.thread);
        text += holder.section == nullptr
                    ? " reads for " + innermost(captured)
                    : " holds it for " + entered_with(captured, holder.section);
        if (captured.entries.size() > 1)
            text += ", and is in " + all_entries(captured);
        line(text);
    }

    std::string finish() {
        for (const pid_t thread : order_) {
            const auto& captured = stacks_.at(thread);
            line("  " + thread_name(thread) +
                 (captured.failure.empty() ? "" : ": no stacks: " + captured.failure));
            if (!captured.failure.empty())
                continue;
            add_indented(captured.python.empty() ? "no Python stack\n"
                                                 : "Python " + lower(captured.python));
            line("    C stack (most recent call first):");
            for (const std::uintptr_t code : captured.code)
                line("      " + symbols_.describe(code - 1));
        }
        return std::move(text_);
    }

    void line(const std::string& text) { text_ += text + "\n"; }

  private:
    static std::string lower(std::string text) {
        text[0] = text[0] == 'S' ? 's' : text[0];
        return text;
    }

    static std::string goal_of(const Waiting& wait) {
        const std::string domain = wait.domain->name();
        if (wait.goal == Goal::no_readers)
            return "the readers of domain " + domain + " to leave";
        return wait.mutex == wait.domain->mutex() ? "the guard of domain " + domain
                                                  : "an object in domain " + domain;
    }

    const thread_capture::Captured& stack_of(pid_t thread) {
        const auto known = stacks_.find(thread);
        if (known != stacks_.end())
            return known->second;
        thread_capture::Captured captured;
        if (stacks_.size() < most_threads)
            captured = thread_capture::capture(thread, nullptr);
        else
            captured.failure = "too many threads take part";
        order_.push_back(thread);
        return stacks_.emplace(thread, std::move(captured)).first->second;
    }

    std::string name_of(const Entry& entry) const {
        const std::string file = symbols_.file_of(reinterpret_cast<std::uintptr_t>(entry.function));
        std::string module = settings_.module_of(file);
        if (module.empty())
            module = file.substr(file.rfind('/') + 1);
        return module + "." + entry.name;
    }

    static std::string no_entry(const thread_capture::Captured& captured) {
        if (!thread_capture::sees_entries)
            return "a function whose name is not known on this processor";
        return captured.failure.empty()
                   ? "no guarded function: an import, or a thread that was not "
                     "started by Python"
                   : "a function that is not known";
    }

    std::string innermost(const thread_capture::Captured& captured) const {
        return captured.entries.empty() ? no_entry(captured)
                                        : name_of(*captured.entries.front().entry);
    }

    // The call that the section belongs to is the innermost one that has it on its part of the
    // stack.
    std::string entered_with(const thread_capture::Captured& captured, const void* section) const {
        const auto place = std::ranges::find_if(captured.entries, [&](const auto& entry) {
            return entry.frame > reinterpret_cast<std::uintptr_t>(section);
        });
        return place == captured.entries.end() ? no_entry(captured) : name_of(*place->entry);
    }

    std::string all_entries(const thread_capture::Captured& captured) const {
        std::string text;
        for (const auto& entry : captured.entries)
            text += (text.empty() ? "" : ", called from ") + name_of(*entry.entry);
        return text;
    }

    void add_indented(const std::string& text) {
        for (std::size_t begin = 0; begin < text.size();) {
            const std::size_t end = std::min(text.find('\n', begin), text.size());
            line("    " + text.substr(begin, end - begin));
            begin = end + 1;
        }
    }

    const Settings& settings_;
    Symbols symbols_;
    std::string text_;
    std::map<pid_t, thread_capture::Captured> stacks_;
    std::vector<pid_t> order_;
};

}  // namespace

std::string describe_wait(const Waiting& wait, const std::vector<Waiting>& all,
                          const Settings& settings) {
    Report report(settings);
    report.line("pythonnogil watchdog: a long wait in process " + std::to_string(getpid()));
    report.add_waiter(wait);
    report.add_holders(wait);
    for (const Waiting& other : all) {
        if (other.thread != wait.thread && wait.shares_a_lock(other))
            report.add_waiter(other);
    }
    return report.finish();
}

std::string describe_state(const std::vector<Waiting>& all, const Settings& settings) {
    Report report(settings);
    report.line("pythonnogil watchdog: the state of process " + std::to_string(getpid()));
    for (Domain* const domain : all_domains()) {
        const std::vector<Holder> owners = owners_of(domain->mutex());
        const std::vector<Holder> readers = readers_of(*domain);
        const auto of_domain = [&](const Waiting& wait) { return wait.domain == domain; };
        if (owners.empty() && readers.empty() && std::ranges::none_of(all, of_domain))
            continue;
        report.line(std::string("domain ") + domain->name());
        for (const Holder& holder : owners)
            report.add_holder(holder);
        for (const Holder& reader : readers)
            report.add_holder(reader);
        for (const Waiting& wait : all) {
            if (of_domain(wait))
                report.add_waiter(wait);
        }
    }
    return report.finish();
}

}  // namespace pythonnogil::shim::watchdog
