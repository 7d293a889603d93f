// Measures the stand-alone lock beside others, both sides in turn in one run, and prints one JSON
// object: for each figure the median and the quartiles of the rounds' ratios, and a typical value
// of both sides in seconds. Run by bench.py.
//
//   bench_lock ROUNDS STARVATION_SECONDS

#include <algorithm>
#include <atomic>
#include <barrier>
#include <boost/thread/shared_mutex.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "pythonnogil/shared_exclusive_lock.hpp"

namespace {

using Lock = pythonnogil::SharedExclusiveLock;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;
using Side = std::function<double()>;

constexpr int calls = 200'000;

double seconds_since(Clock::time_point start) {
    return Seconds(Clock::now() - start).count();
}

double quantile(std::vector<double> values, double share) {
    std::sort(values.begin(), values.end());
    const double place = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

double median(std::vector<double> values) {
    return quantile(std::move(values), 0.5);
}

// Keeps another thread alive, or busy, for the length of a scope: with a single one the C library
// leaves out atomic instructions, and membarrier costs nothing.
class Sibling {
  public:
    explicit Sibling(bool busy)
        : thread_([this, busy] {
              while (!end_) {
                  if (!busy)
                      std::this_thread::sleep_for(std::chrono::milliseconds(1));
              }
          }) {}
    ~Sibling() {
        end_ = true;
        thread_.join();
    }
    Sibling(const Sibling&) = delete;
    Sibling& operator=(const Sibling&) = delete;

  private:
    std::atomic<bool> end_{false};
    std::thread thread_;
};

template <class Function>
double seconds_per_call(Function function) {
    const auto start = Clock::now();
    for (int call = 0; call < calls; ++call) {
        function();
        std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    return seconds_since(start) / calls;
}

// Seconds of one call when two threads make them at the same time: the mean of both.
template <class Function>
double seconds_per_call_of_two(Function function) {
    std::barrier<> both(2);
    double other = 0;
    std::thread thread([&] {
        both.arrive_and_wait();
        other = seconds_per_call(function);
    });
    both.arrive_and_wait();
    const double mine = seconds_per_call(function);
    thread.join();
    return (mine + other) / 2;
}

template <class Mutex>
void share(Mutex& mutex) {
    mutex.lock_shared();
    mutex.unlock_shared();
}

class Report {
  public:
    explicit Report(int rounds) : rounds_(rounds) {}

    // Swaps which side goes first from round to round.
    void compare(const char* name, const Side& left, const Side& right) {
        std::vector<double> lefts;
        std::vector<double> rights;
        std::vector<double> ratios;
        for (int round = 0; round < rounds_; ++round) {
            const double first = (round % 2 == 0 ? left : right)();
            const double second = (round % 2 == 0 ? right : left)();
            lefts.push_back(round % 2 == 0 ? first : second);
            rights.push_back(round % 2 == 0 ? second : first);
            ratios.push_back(lefts.back() / rights.back());
        }
        print(name, ratios, median(lefts), median(rights));
    }

    void single(const char* name, const Side& side) {
        std::vector<double> values;
        values.reserve(static_cast<std::size_t>(rounds_));
        for (int round = 0; round < rounds_; ++round)
            values.push_back(side());
        print(name, values, median(values), 0);
    }

    void print(const char* name, const std::vector<double>& ratios, double left, double right) {
        std::printf(
            "%s\n\"%s\": {\"median\": %.12g, \"spread\": [%.12g, %.12g], "
            "\"left\": %.12g, \"right\": %.12g}",
            first_ ? "{" : ",", name, median(ratios), quantile(ratios, 0.25),
            quantile(ratios, 0.75), left, right);
        first_ = false;
    }

    static void end() { std::printf("\n}\n"); }

  private:
    int rounds_;
    bool first_ = true;
};

// --- the figures ---

void shared_figures(Report& report) {
    Lock lock;
    std::shared_mutex standard;
    boost::shared_mutex boost;
    const Sibling sibling(false);
    const Side ours = [&] { return seconds_per_call([&] { share(lock); }); };
    const Side ours_of_two = [&] { return seconds_per_call_of_two([&] { share(lock); }); };
    report.compare("shared_std", ours, [&] { return seconds_per_call([&] { share(standard); }); });
    report.compare("shared_boost", ours, [&] { return seconds_per_call([&] { share(boost); }); });
    report.compare("shared_boost_of_two", ours_of_two,
                   [&] { return seconds_per_call_of_two([&] { share(boost); }); });
    report.compare("shared_of_two", ours_of_two, ours);
}

void exclusive_figures(Report& report) {
    Lock lock;
    std::shared_mutex standard;
    const Sibling sibling(false);
    auto enter = [](auto& mutex) {
        mutex.lock();
        mutex.unlock();
    };
    report.compare(
        "exclusive_std", [&] { return seconds_per_call([&] { enter(lock); }); },
        [&] { return seconds_per_call([&] { enter(standard); }); });
    report.single("recursion", [&] {
        constexpr int levels = 100;
        const auto start = Clock::now();
        for (int round = 0; round < calls / levels; ++round) {
            for (int level = 0; level < levels; ++level) {
                lock.lock();
                std::atomic_signal_fence(std::memory_order_seq_cst);
            }
            for (int level = 0; level < levels; ++level) {
                lock.unlock();
                std::atomic_signal_fence(std::memory_order_seq_cst);
            }
        }
        return seconds_since(start) / calls;
    });
}

// The median of some samples, so that one interruption does not decide a round.
template <class Sample>
double typical(Sample sample) {
    std::vector<double> samples;
    samples.reserve(200);
    for (int number = 0; number < 200; ++number)
        samples.push_back(sample());
    return median(std::move(samples));
}

void revocation_figure(Report& report) {
    Lock lock;
    const Sibling sibling(true);
    report.compare(
        "revocation",
        [&] {
            return typical([&] {
                // Longer than readers have to do without their fast path after the last time.
                const auto reading = Clock::now();
                while (seconds_since(reading) < 200e-6)
                    share(lock);
                const auto start = Clock::now();
                lock.lock();
                const double seconds = seconds_since(start);
                lock.unlock();
                return seconds;
            });
        },
        [] {
            return typical([] {
                const auto start = Clock::now();
                pythonnogil::asymmetric_barrier::heavy();
                return seconds_since(start);
            });
        });
}

// The median wait behind a thread that holds the lock for 50 us at a time and comes back at once.
double wait_behind_holds() {
    Lock lock;
    std::atomic<bool> end{false};
    std::atomic<bool> holding{false};
    std::thread holder([&] {
        while (!end) {
            lock.lock();
            holding = true;
            const auto start = Clock::now();
            while (seconds_since(start) < 50e-6) {
            }
            holding = false;
            lock.unlock();
        }
    });
    std::minstd_rand random;
    const double wait = typical([&] {
        // Otherwise each sample begins at the same place in a hold.
        std::this_thread::sleep_for(std::chrono::microseconds(100 + random() % 200));
        while (!holding)
            std::this_thread::yield();
        const auto start = Clock::now();
        lock.lock();
        const double seconds = seconds_since(start);
        lock.unlock();
        return seconds;
    });
    end = true;
    holder.join();
    return wait;
}

// How often the slowest of eight threads got the lock, divided by how often the fastest did.
void starvation_figure(Report& report, int seconds) {
    Lock lock;
    std::atomic<bool> end{false};
    std::vector<double> counts(8);
    std::vector<std::thread> threads;
    threads.reserve(counts.size());
    for (double& count : counts) {
        threads.emplace_back([&] {
            double entered = 0;
            while (!end) {
                lock.lock();
                const auto start = Clock::now();
                while (seconds_since(start) < 1e-6) {
                }
                lock.unlock();
                ++entered;
            }
            count = entered;
        });
    }
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    end = true;
    for (std::thread& thread : threads)
        thread.join();
    const auto [slowest, fastest] = std::minmax_element(counts.begin(), counts.end());
    report.print("starvation", {*slowest / *fastest}, *slowest / seconds, *fastest / seconds);
}

}  // namespace

int main(int count, char** words) {
    const int rounds = count == 3 ? std::atoi(words[1]) : 0;
    const int seconds = count == 3 ? std::atoi(words[2]) : 0;
    if (rounds < 2 || seconds < 1) {
        std::fputs("usage: bench_lock ROUNDS STARVATION_SECONDS; at least 2 and 1\n", stderr);
        return 2;
    }
    Report report(rounds);
    shared_figures(report);
    exclusive_figures(report);
    revocation_figure(report);
    report.single("wait", wait_behind_holds);
    starvation_figure(report, seconds);
    Report::end();
    return 0;
}
