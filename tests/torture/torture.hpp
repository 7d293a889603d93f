// Tortures a lock, after Linux's locktorture: threads that do everything a lock allows in a seeded
// random order, with pauses of very different lengths and moments in which all rest ("stutter"),
// and check what they were promised: a reader that no writer is in and that the data is whole; a
// writer that it is alone; all, that somebody lets them in.
//
// Thread-safety: run() is called once. Errors: reported by run().
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace pythonnogil::torture {

struct Settings {
    std::chrono::milliseconds duration{2000};
    // Without progress for this long a thread counts as hanging.
    std::chrono::milliseconds patience{30'000};
    std::size_t threads = 4;
    std::uint64_t seed = 1;
};

struct Report {
    std::string failure;  // empty: none was found
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
    // Threads hang in the lock: the process can only be ended.
    bool hangs = false;
};

template <class Lock>
class Torture {
  public:
    explicit Torture(Settings settings) : settings_(settings) {}

    Report run() {
        for (std::size_t number = 0; number < settings_.threads; ++number) {
            Worker& worker = workers_.emplace_back();
            worker.random.seed(settings_.seed * 1000 + number);
            worker.only_writes = number == 0;
        }
        std::vector<std::thread> threads;
        threads.reserve(workers_.size());
        for (Worker& worker : workers_)
            threads.emplace_back([this, &worker] { work(worker); });
        Report report;
        watch(report);
        end_ = true;
        if (!report.hangs && !all_end())
            report.hangs = true;
        for (std::thread& thread : threads)
            report.hangs ? thread.detach() : thread.join();
        if (report.hangs)
            report.failure = "a thread hangs";
        if (const char* failure = failure_.load())
            report.failure = failure;
        for (Worker& worker : workers_) {
            report.reads += worker.reads;
            report.writes += worker.writes;
        }
        return report;
    }

  private:
    using Clock = std::chrono::steady_clock;

    struct Worker {
        std::minstd_rand random;
        bool only_writes = false;
        std::vector<char> far = std::vector<char>(16 * 1024 * 1024);
        std::atomic<std::uint64_t> reads{0};
        std::atomic<std::uint64_t> writes{0};
        std::atomic<bool> ended{false};
        std::uint64_t rounds_seen = 0;
        Clock::time_point progress = Clock::now();
    };

    // --- the threads ---

    void work(Worker& worker) {
        while (!end_ && failure_.load(std::memory_order_relaxed) == nullptr) {
            const unsigned action = worker.random() % 100;
            if (worker.only_writes || action < 3)
                write(worker);
            else if (action < 6)
                write_inside_read(worker);
            else if (action < 9)
                upgrade(worker);
            else if (action < 12)
                try_things(worker);
            else if (action < 15)
                detach(worker);
            else
                read(worker);
            rest(worker);
        }
        worker.ended = true;
    }

    void read(Worker& worker) {
        const bool late = worker.random() % 2 == 0;
        if (late)
            fill_store_buffer(worker);
        lock_.lock_shared();
        const std::uint64_t seen = words_[0];
        spin(worker.random() % (late ? 2000 : 64));
        check_as_reader();
        if (worker.random() % 8 == 0) {
            lock_.lock_shared();
            check_as_reader();
            lock_.unlock_shared();
        }
        check_as_reader();
        if (seen != words_[0])
            fail("somebody wrote while a reader was in");
        lock_.unlock_shared();
        count(worker.reads);
    }

    // Stores that miss the cache hold up those that follow, such as a reader's announcement, and
    // not the loads after it. This is what the barriers of the lock are there for.
    static void fill_store_buffer(Worker& worker) {
        for (int store = 0; store < 40; ++store)
            worker.far[worker.random() % worker.far.size()] = 1;
    }

    void write(Worker& worker) {
        lock_.lock();
        change(worker);
        if constexpr (requires { lock_.lock_upgrade(); }) {
            if (worker.random() % 8 == 0) {
                lock_.unlock_and_lock_shared();
                check_as_reader();
                lock_.unlock_shared();
                return;
            }
        }
        lock_.unlock();
    }

    // Not with a lock that is none of ours: two such threads may deadlock there.
    void write_inside_read(Worker& worker) {
        if constexpr (requires { lock_.lock_upgrade(); }) {
            lock_.lock_shared();
            check_as_reader();
            lock_.lock();
            change(worker);
            lock_.unlock();
            check_as_reader();
            lock_.unlock_shared();
        }
    }

    void upgrade(Worker& worker) {
        if constexpr (requires { lock_.lock_upgrade(); }) {
            lock_.lock_upgrade();
            const std::uint64_t seen = words_[0];
            check_as_reader();
            lock_.unlock_upgrade_and_lock();
            if (seen != words_[0])
                fail("somebody wrote between upgrade and exclusive");
            change(worker);
            lock_.unlock_and_lock_upgrade();
            check_as_reader();
            lock_.unlock_upgrade();
        }
    }

    void try_things(Worker& worker) {
        if constexpr (requires { lock_.lock_upgrade(); }) {
            const std::chrono::microseconds time(worker.random() % 200);
            if (lock_.try_lock_for(time)) {
                change(worker);
                lock_.unlock();
            }
            if (lock_.try_lock_shared_for(time)) {
                check_as_reader();
                lock_.unlock_shared();
            }
            if (lock_.try_lock_upgrade()) {
                check_as_reader();
                if (lock_.try_unlock_upgrade_and_lock()) {
                    change(worker);
                    lock_.unlock();
                } else {
                    lock_.unlock_upgrade();
                }
            }
        }
    }

    // While a thread is detached it waits for a writer, who therefore must get in.
    void detach(Worker& worker) {
        if constexpr (requires { lock_.detach(); }) {
            lock_.lock_shared();
            check_as_reader();
            lock_.detach();
            const std::uint64_t before = changes_.load();
            while (changes_.load() == before && !end_)
                std::this_thread::yield();
            lock_.attach();
            check_as_reader();
            lock_.unlock_shared();
            count(worker.reads);
        }
    }

    // --- what they check ---

    // Nothing that is shared is written here, and no fence is run: readers must not get an order
    // that the lock does not give them.
    void check_as_reader() {
        const std::uint64_t first = words_[0];
        for (const volatile std::uint64_t& word : words_) {
            if (word != first)
                fail("a reader saw half of a change");
        }
        if (writer_ != nullptr)
            fail("a reader was in beside a writer");
    }

    void change(Worker& worker) {
        if (writer_ != nullptr)
            fail("a writer was in beside a writer");
        writer_ = &worker;
        const std::uint64_t value = words_[0] + 1;
        for (volatile std::uint64_t& word : words_) {
            if (word != value - 1)
                fail("a writer saw half of a change");
            word = value;
            if (worker.random() % 16 == 0)
                spin(worker.random() % 200);
        }
        if (writer_ != &worker)
            fail("a writer was in beside a writer");
        writer_ = nullptr;
        changes_.store(value, std::memory_order_release);
        count(worker.writes);
    }

    void rest(Worker& worker) {
        // Readers need time to get their fast path back between two writers.
        if (worker.only_writes)
            spin(worker.random() % 8000);
        const unsigned choice = worker.random() % 1000;
        if (choice < 3)
            std::this_thread::sleep_for(std::chrono::microseconds(worker.random() % 300));
        else if (choice < 20)
            std::this_thread::yield();
        else if (choice < 300)
            spin(worker.random() % 300);
        while (stutter_ && !end_)
            std::this_thread::sleep_for(std::chrono::microseconds(100));
    }

    static void spin(unsigned turns) {
        for (unsigned turn = 0; turn < turns; ++turn)
            std::atomic_signal_fence(std::memory_order_seq_cst);
    }

    static void count(std::atomic<std::uint64_t>& counter) {
        counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }

    void fail(const char* what) {
        const char* none = nullptr;
        failure_.compare_exchange_strong(none, what);
    }

    // --- the watch ---

    void watch(Report& report) {
        const auto end = Clock::now() + settings_.duration;
        for (int turn = 0; Clock::now() < end && failure_ == nullptr; ++turn) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
            stutter_ = turn % 16 == 15;
            if (somebody_hangs()) {
                report.hangs = true;
                return;
            }
        }
    }

    bool somebody_hangs() {
        const auto now = Clock::now();
        bool hangs = false;
        for (Worker& worker : workers_) {
            const std::uint64_t rounds = worker.reads + worker.writes;
            if (rounds != worker.rounds_seen || worker.ended) {
                worker.rounds_seen = rounds;
                worker.progress = now;
            }
            hangs = hangs || now - worker.progress > settings_.patience;
        }
        return hangs;
    }

    bool all_end() {
        for (Worker& worker : workers_) {
            while (!worker.ended) {
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
                if (somebody_hangs())
                    return false;
            }
        }
        return true;
    }

    Settings settings_;
    Lock lock_;
    // Plain memory, so that ThreadSanitizer judges the lock too; volatile, so that the compiler
    // does not take for granted what a broken lock does not give.
    std::array<volatile std::uint64_t, 8> words_{};
    Worker* volatile writer_ = nullptr;
    std::atomic<std::uint64_t> changes_{0};
    std::atomic<bool> stutter_{false};
    std::atomic<bool> end_{false};
    std::atomic<const char*> failure_{nullptr};
    std::deque<Worker> workers_;
};

}  // namespace pythonnogil::torture
