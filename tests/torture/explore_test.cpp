// Small cases of the real lock in every order of their steps, and of broken ones, whose errors must
// be found.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>

#include "explorer.hpp"
#include "model_platform.hpp"
#include "pythonnogil/shared_exclusive_lock.hpp"

namespace pythonnogil::model {
namespace {

// One more interruption for those who have time: each multiplies the number of runs by ten or more.
int interruptions(std::size_t threads) {
    const int more = std::getenv("PYTHONNOGIL_STRESS") == nullptr ? 0 : 1;
    return (threads > 2 ? 2 : 3) + more;
}

template <class Platform>
struct Records : ReaderRegistry<Platform> {
    using typename ReaderRegistry<Platform>::Record;

    static Record* add() {
        Platform::outside_record = nullptr;
        Record* record = &Records::this_thread();
        return record;
    }

    // Those that were added after `last`; all of them when that is null.
    static void remove_since(Record* last) {
        while (Records::newest.load() != last) {
            std::unique_ptr<Record> record(Records::newest.load());
            Records::newest.store(record->next);
        }
    }
};

// The lock and what its holders see.
template <class Lock>
class World {
  public:
    Lock lock;

    void read() {
        lock.lock_shared();
        be_reader();
        lock.unlock_shared();
    }

    void write() {
        lock.lock();
        be_writer();
        lock.unlock();
    }

    // Without shared holds of its own being counted: they may be set aside.
    void go_from_shared_to_exclusive() {
        lock.lock_shared();
        be_reader();
        lock.lock();
        be_writer();
        lock.unlock();
        be_reader();
        lock.unlock_shared();
    }

    void upgrade() {
        lock.lock_upgrade();
        const int seen = writes_;
        be_reader();
        require(seen == writes_, "somebody wrote beside an upgrader");
        lock.unlock_upgrade_and_lock();
        require(seen == writes_, "somebody wrote between upgrade and exclusive");
        be_writer();
        lock.unlock_and_lock_upgrade();
        require(seen + 1 == writes_, "somebody wrote after a downgrade");
        be_reader();
        lock.unlock_upgrade();
    }

    void try_to_write() {
        if (lock.try_lock()) {
            be_writer();
            lock.unlock();
        }
        lock.lock_upgrade();
        be_reader();
        if (lock.try_unlock_upgrade_and_lock()) {
            be_writer();
            lock.unlock();
        } else {
            be_reader();
            lock.unlock_upgrade();
        }
    }

    void write_twice() {
        write();
        write();
    }

    void read_in_time() {
        if (lock.try_lock_shared_for(some_time)) {
            be_reader();
            lock.unlock_shared();
        }
    }

    void write_in_time() {
        if (lock.try_lock_for(some_time)) {
            be_writer();
            lock.unlock();
        }
    }

    void be_reader() {
        require(writers_ == 0, "a reader got in beside a writer");
        ++readers_;
        Explorer::active()->step();
        require(writers_ == 0, "a writer got in beside a reader");
        --readers_;
    }

    void be_writer() {
        require(readers_ == 0, "a writer got in beside a reader");
        require(writers_ == 0, "a writer got in beside a writer");
        ++writers_;
        Explorer::active()->step();
        require(readers_ == 0 && writers_ == 1, "somebody got in beside a writer");
        --writers_;
        ++writes_;
    }

  private:
    static constexpr std::chrono::seconds some_time{1};

    static void require(bool condition, const char* what) {
        Explorer::active()->require(condition, what);
    }

    int readers_ = 0;
    int writers_ = 0;
    int writes_ = 0;
};

// What a case begins with.
enum class Start : std::uint8_t { closed, biased, new_threads };

template <class Platform, class Lock = BasicSharedExclusiveLock<Platform>>
class Case {
  public:
    using Action = void (World<Lock>::*)();

    Case(const char* name, Start start, std::vector<Action> actions)
        : name_(name), start_(start), actions_(std::move(actions)) {}

    Result explore() {
        Explorer explorer(interruptions(actions_.size()));
        for (std::size_t index = 0; index < actions_.size(); ++index)
            explorer.set_record(index, Records<Platform>::add());
        auto* last = Records<Platform>::add();
        std::optional<World<Lock>> world;
        std::vector<std::function<void()>> threads;
        threads.reserve(actions_.size());
        for (Action action : actions_)
            threads.emplace_back([&world, action] { ((*world).*action)(); });
        const Result result = explorer.explore(
            [&] {
                Platform::clock = 0;
                world.emplace();
                if (start_ == Start::new_threads) {
                    Records<Platform>::remove_since(last);
                    explorer.set_record(0, nullptr);
                }
                if (start_ != Start::closed) {
                    world->lock.lock_shared();
                    world->lock.unlock_shared();
                }
            },
            threads);
        Records<Platform>::remove_since(nullptr);
        std::cout << "  " << name_ << ": " << result.runs << " schedules, "
                  << (result.failure.empty() ? "no error" : result.failure) << std::endl;
        return result;
    }

  private:
    const char* name_;
    Start start_;
    std::vector<Action> actions_;
};

template <class Platform, class Lock = BasicSharedExclusiveLock<Platform>>
std::vector<Case<Platform, Lock>> all_cases() {
    using W = World<Lock>;
    return {
        {"reader, writer, gate closed", Start::closed, {&W::read, &W::write}},
        {"reader, writer, gate biased", Start::biased, {&W::read, &W::write}},
        {"new reader, writer", Start::new_threads, {&W::read, &W::write}},
        {"two writers", Start::closed, {&W::write, &W::write}},
        {"two writers, twice", Start::closed, {&W::write_twice, &W::write_twice}},
        {"two writers in time", Start::closed, {&W::write_in_time, &W::write_in_time}},
        {"reader, writer in time", Start::biased, {&W::read, &W::write_in_time}},
        {"writer, reader in time", Start::biased, {&W::write, &W::read_in_time}},
        {"two upgraders", Start::biased, {&W::upgrade, &W::upgrade}},
        {"shared to exclusive, twice",
         Start::biased,
         {&W::go_from_shared_to_exclusive, &W::go_from_shared_to_exclusive}},
        {"shared to exclusive, writer",
         Start::biased,
         {&W::go_from_shared_to_exclusive, &W::write}},
        {"shared to exclusive, upgrader",
         Start::closed,
         {&W::go_from_shared_to_exclusive, &W::upgrade}},
        {"reader, upgrader, gate closed", Start::closed, {&W::read, &W::upgrade}},
        {"reader, tries", Start::biased, {&W::read, &W::try_to_write}},
        {"two readers, writer, gate closed", Start::closed, {&W::read, &W::read, &W::write}},
        {"two readers, writer, gate biased", Start::biased, {&W::read, &W::read, &W::write}},
        {"reader, two writers, gate closed", Start::closed, {&W::read, &W::write, &W::write}},
        {"reader, two writers, gate biased", Start::biased, {&W::read, &W::write, &W::write}},
        {"two writers, one in time",
         Start::closed,
         {&W::write, &W::write_in_time, &W::write_in_time}},
        {"two readers, one in time, writer",
         Start::biased,
         {&W::read, &W::read_in_time, &W::write}},
        {"reader, writer, upgrader", Start::biased, {&W::read, &W::write, &W::upgrade}},
    };
}

template <class Platform>
class RealLock : public ::testing::Test {};
using Platforms = ::testing::Types<Platform<true>, Platform<false>>;
TYPED_TEST_SUITE(RealLock, Platforms);

TYPED_TEST(RealLock, HasNoErrorInAnyOrder) {
    for (auto& one_case : all_cases<TypeParam>()) {
        const Result result = one_case.explore();
        EXPECT_EQ(result.failure, "");
        EXPECT_TRUE(result.complete) << "not every order was tried";
    }
}

// The lock that is none.
struct NoLock {
    void lock() {}
    void unlock() {}
    void lock_shared() {}
    void unlock_shared() {}
    void lock_upgrade() {}
    void unlock_upgrade() {}
    void unlock_upgrade_and_lock() {}
    void unlock_and_lock_upgrade() {}
    bool try_lock() { return true; }
    bool try_unlock_upgrade_and_lock() { return true; }
    bool try_lock_for(std::chrono::seconds) { return true; }
    bool try_lock_shared_for(std::chrono::seconds) { return true; }
};

// What is found in one of the cases.
template <class Platform, class Lock = BasicSharedExclusiveLock<Platform>>
std::string first_failure() {
    for (auto& one_case : all_cases<Platform, Lock>()) {
        if (const Result result = one_case.explore(); !result.failure.empty())
            return result.failure;
    }
    return "";
}

bool mentions(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

TEST(BrokenLock, NoLockIsFound) {
    EXPECT_TRUE(mentions((first_failure<Platform<true>, NoLock>()), "got in beside"));
}

TEST(BrokenLock, AMissingBarrierIsFound) {
    EXPECT_TRUE(mentions(first_failure<MissingBarrier<true>>(), "got in beside"));
    EXPECT_TRUE(mentions(first_failure<MissingBarrier<false>>(), "got in beside"));
}

TEST(BrokenLock, ALostWakeUpIsFound) {
    EXPECT_TRUE(mentions(first_failure<LostWakeUp<true>>(), "deadlock"));
    EXPECT_TRUE(mentions(first_failure<LostWakeUp<false>>(), "deadlock"));
}

TEST(BrokenLock, AMissingWakeUpIsFound) {
    EXPECT_TRUE(mentions(first_failure<NoWakeUp<true>>(), "deadlock"));
    EXPECT_TRUE(mentions(first_failure<NoWakeUp<false>>(), "deadlock"));
}

TEST(BrokenLock, ATornUpdateIsFound) {
    EXPECT_NE(first_failure<TornAtomics<true>>(), "");
    EXPECT_NE(first_failure<TornAtomics<false>>(), "");
}

}  // namespace
}  // namespace pythonnogil::model
