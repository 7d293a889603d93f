// Tortures one of the locks of torture_locks.hpp for a while.
//
//   torture LOCK [--seconds N] [--threads N] [--seed N] [--must-fail]
//
// Exit code 0: what was expected; 1: an error of the lock, or, with --must-fail, none; 2: wrong
// usage.

#include "torture.hpp"

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "torture_locks.hpp"

namespace {

using namespace pythonnogil;
using namespace pythonnogil::torture;

struct Kind {
    std::string_view name;
    Report (*run)(const Settings&);
};

// The lock of a run that hangs is left behind with its threads.
template <class Lock>
Report torture_with(const Settings& settings) {
    auto torture = std::make_unique<Torture<Lock>>(settings);
    const Report report = torture->run();
    if (report.hangs)
        static_cast<void>(torture.release());
    return report;
}

constexpr std::array kinds{
    Kind{"real", torture_with<SharedExclusiveLock>},
    Kind{"detachable", torture_with<DetachableLock<Honest>>},
    Kind{"none", torture_with<NoLock>},
    Kind{"missing-barrier", torture_with<BasicSharedExclusiveLock<MissingBarrierPlatform>>},
    Kind{"lost-wake-up", torture_with<BasicSharedExclusiveLock<LostWakeUpPlatform>>},
    Kind{"lying-detach", torture_with<DetachableLock<Liar>>},
    Kind{"kept-on-detach", torture_with<DetachableLock<Keeper>>},
};

[[noreturn]] void wrong_usage(const char* what, const char* value) {
    std::fprintf(stderr,
                 "torture: %s '%s'; usage: torture LOCK [--seconds N] [--threads N] "
                 "[--seed N] [--must-fail], LOCK one of:\n",
                 what, value);
    for (const Kind& kind : kinds)
        std::fprintf(stderr, "  %s\n", kind.name.data());
    std::exit(2);
}

struct Command {
    const Kind* kind = nullptr;
    Settings settings;
    bool must_fail = false;
};

unsigned long number_after(int& index, int count, char** words) {
    const char* option = words[index];
    if (++index == count)
        wrong_usage("no number after", option);
    char* end = nullptr;
    const unsigned long number = std::strtoul(words[index], &end, 10);
    if (end == words[index] || *end != '\0' || number == 0)
        wrong_usage("not a positive number:", words[index]);
    return number;
}

Command parse(int count, char** words) {
    Command command;
    for (int index = 1; index < count; ++index) {
        const std::string_view word = words[index];
        if (word == "--seconds")
            command.settings.duration = std::chrono::seconds(number_after(index, count, words));
        else if (word == "--threads")
            command.settings.threads = number_after(index, count, words);
        else if (word == "--seed")
            command.settings.seed = number_after(index, count, words);
        else if (word == "--must-fail")
            command.must_fail = true;
        else
            for (const Kind& kind : kinds)
                command.kind = kind.name == word ? &kind : command.kind;
        if (command.kind == nullptr)
            wrong_usage("unknown lock", words[index]);
    }
    if (command.kind == nullptr)
        wrong_usage("missing", "LOCK");
    // A lock that is expected to hang does so for long enough to tell soon.
    if (command.must_fail)
        command.settings.patience = std::chrono::seconds(5);
    return command;
}

}  // namespace

int main(int count, char** words) {
    const Command command = parse(count, words);
    const Report report = command.kind->run(command.settings);
    std::printf("%s, seed %lu: %lu reads, %lu writes: %s\n", command.kind->name.data(),
                command.settings.seed, report.reads, report.writes,
                report.failure.empty() ? "no error" : report.failure.c_str());
    std::fflush(stdout);
    const int code = report.failure.empty() == command.must_fail ? 1 : 0;
    if (report.hangs)
        std::_Exit(code);
    return code;
}
