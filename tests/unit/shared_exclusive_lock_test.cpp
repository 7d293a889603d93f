#include "pythonnogil/shared_exclusive_lock.hpp"

#include <gtest/gtest.h>

#include <array>
#include <barrier>
#include <chrono>
#include <deque>
#include <string>

#include "threads.hpp"

namespace pythonnogil {
namespace {

using Lock = SharedExclusiveLock;
using std::chrono::milliseconds;
using testing::Background;
using testing::elsewhere;

constexpr milliseconds long_enough{20'000};

bool can_read(Lock& lock) {
    return elsewhere([&] {
        const bool entered = lock.try_lock_shared();
        if (entered)
            lock.unlock_shared();
        return entered;
    });
}

bool can_write(Lock& lock) {
    return elsewhere([&] {
        const bool entered = lock.try_lock();
        if (entered)
            lock.unlock();
        return entered;
    });
}

bool can_upgrade(Lock& lock) {
    return elsewhere([&] {
        const bool entered = lock.try_lock_upgrade();
        if (entered)
            lock.unlock_upgrade();
        return entered;
    });
}

// A mode to hold the lock in, and what another thread can do meanwhile.
struct Hold {
    const char* name;
    void (Lock::*enter)();
    void (Lock::*leave)();
    int strength;
};

constexpr std::array holds{
    Hold{"shared", &Lock::lock_shared, &Lock::unlock_shared, 1},
    Hold{"upgrade", &Lock::lock_upgrade, &Lock::unlock_upgrade, 2},
    Hold{"exclusive", &Lock::lock, &Lock::unlock, 3},
};

void expect_strength(Lock& lock, int strength, const std::string& what) {
    EXPECT_EQ(can_read(lock), strength < 3) << what;
    EXPECT_EQ(can_upgrade(lock), strength < 2) << what;
    EXPECT_EQ(can_write(lock), strength < 1) << what;
}

// Every three modes nested in one thread, given back inside out and in the order they were taken.
TEST(SharedExclusiveLock, RecursionInAnyMix) {
    for (const Hold& a : holds) {
        for (const Hold& b : holds) {
            for (const Hold& c : holds) {
                for (const bool inside_out : {true, false}) {
                    const std::string what = std::string(a.name) + ", " + b.name + ", " + c.name;
                    Lock lock;
                    (lock.*a.enter)();
                    expect_strength(lock, a.strength, what);
                    (lock.*b.enter)();
                    expect_strength(lock, std::max(a.strength, b.strength), what);
                    (lock.*c.enter)();
                    expect_strength(lock, std::max({a.strength, b.strength, c.strength}), what);
                    (lock.*(inside_out ? c : a).leave)();
                    expect_strength(lock, std::max((inside_out ? a : c).strength, b.strength),
                                    what);
                    (lock.*b.leave)();
                    expect_strength(lock, (inside_out ? a : c).strength, what);
                    (lock.*(inside_out ? a : c).leave)();
                    expect_strength(lock, 0, what);
                }
            }
        }
    }
}

TEST(SharedExclusiveLock, DeepRecursion) {
    Lock lock;
    constexpr int levels = 1000;
    for (int level = 0; level < levels; ++level) {
        for (const Hold& hold : holds)
            (lock.*hold.enter)();
    }
    for (int level = 0; level < levels; ++level) {
        EXPECT_TRUE(lock.is_exclusive());
        for (const Hold& hold : holds)
            (lock.*hold.leave)();
    }
    EXPECT_FALSE(lock.is_exclusive());
    expect_strength(lock, 0, "after all levels");
}

// boost::shared_mutex would deadlock here.
TEST(SharedExclusiveLock, NestedSharedWhileAWriterWaits) {
    Lock lock;
    lock.lock_shared();
    Background writer([&] {
        lock.lock();
        lock.unlock();
    });
    EXPECT_FALSE(writer.is_done_soon());
    lock.lock_shared();
    lock.unlock_shared();
    EXPECT_FALSE(writer.is_done_soon());
    lock.unlock_shared();
    EXPECT_TRUE(writer.is_done_within(long_enough));
}

TEST(SharedExclusiveLock, AWaitingWriterKeepsNewReadersOut) {
    Lock lock;
    lock.lock_shared();
    Background writer([&] {
        lock.lock();
        lock.unlock();
    });
    EXPECT_FALSE(writer.is_done_soon());
    EXPECT_FALSE(can_read(lock));
    lock.unlock_shared();
}

TEST(SharedExclusiveLock, WaitingReadersGetInTogether) {
    Lock lock;
    std::atomic<int> inside{0};
    lock.lock();
    auto read = [&] {
        lock.lock_shared();
        ++inside;
        while (inside < 12)
            std::this_thread::sleep_for(milliseconds(1));
        lock.unlock_shared();
    };
    std::deque<Background> readers;
    for (int number = 0; number < 12; ++number)
        readers.emplace_back(read);
    EXPECT_FALSE(readers.back().is_done_soon());
    EXPECT_EQ(inside, 0);
    lock.unlock();
    for (Background& reader : readers)
        EXPECT_TRUE(reader.is_done_within(long_enough));
}

// More readers than are woken at once, and the owner keeps the mutex all the time.
TEST(SharedExclusiveLock, ADowngradeToUpgradeLetsAllWaitingReadersIn) {
    Lock lock;
    lock.lock();
    std::atomic<int> inside{0};
    auto read = [&] {
        lock.lock_shared();
        ++inside;
        lock.unlock_shared();
    };
    std::deque<Background> readers;
    for (int number = 0; number < 12; ++number)
        readers.emplace_back(read);
    EXPECT_FALSE(readers.back().is_done_soon());
    lock.unlock_and_lock_upgrade();
    for (Background& reader : readers)
        EXPECT_TRUE(reader.is_done_within(long_enough));
    EXPECT_EQ(inside, 12);
    EXPECT_FALSE(can_write(lock));
    lock.unlock_upgrade();
}

// Both hold it shared and want it exclusive: each has to wait until the other is out.
TEST(SharedExclusiveLock, TwoThreadsGoFromSharedToExclusive) {
    Lock lock;
    int counter = 0;
    // Both come this far before one goes on.
    std::barrier<> both(2);
    auto upgrade = [&] {
        for (int round = 0; round < 200; ++round) {
            lock.lock_shared();
            both.arrive_and_wait();
            lock.lock();
            ++counter;
            lock.unlock();
            lock.unlock_shared();
            both.arrive_and_wait();
        }
    };
    Background first(upgrade);
    Background second(upgrade);
    EXPECT_TRUE(first.is_done_within(long_enough));
    EXPECT_TRUE(second.is_done_within(long_enough));
    EXPECT_EQ(counter, 400);
    expect_strength(lock, 0, "after both");
}

// The holds that were set aside are back, with their depth.
TEST(SharedExclusiveLock, SharedHoldsSurviveAWaitForExclusive) {
    Lock lock;
    std::atomic<bool> holding{false};
    std::atomic<bool> checked{false};
    lock.lock_upgrade();
    Background upgrader([&] {
        lock.lock_shared();
        lock.lock_shared();
        holding = true;
        lock.lock();
        lock.unlock();
        holding = false;
        while (!checked)
            std::this_thread::sleep_for(milliseconds(1));
        lock.unlock_shared();
        lock.unlock_shared();
    });
    while (!holding)
        std::this_thread::sleep_for(milliseconds(1));
    // Waits until the other thread has set its holds aside.
    lock.unlock_upgrade_and_lock();
    lock.unlock();
    while (holding)
        std::this_thread::sleep_for(milliseconds(1));
    EXPECT_TRUE(can_read(lock));
    EXPECT_FALSE(can_write(lock));
    checked = true;
    upgrader.join();
    EXPECT_TRUE(can_write(lock));
}

TEST(SharedExclusiveLock, NobodyWritesBetweenUpgradeAndExclusive) {
    Lock lock;
    int value = 0;
    auto increment = [&] {
        for (int round = 0; round < 500; ++round) {
            lock.lock_upgrade();
            const int seen = value;
            std::this_thread::yield();
            lock.unlock_upgrade_and_lock();
            value = seen + 1;
            lock.unlock();
        }
    };
    {
        Background first(increment);
        Background second(increment);
    }
    EXPECT_EQ(value, 1000);
}

TEST(SharedExclusiveLock, AFailedTryLeavesReadersAsTheyWere) {
    Lock lock;
    lock.lock_shared();
    EXPECT_FALSE(can_write(lock));
    EXPECT_TRUE(can_read(lock));
    EXPECT_FALSE(elsewhere([&] {
        lock.lock_upgrade();
        const bool exclusive = lock.try_unlock_upgrade_and_lock();
        EXPECT_TRUE(can_read(lock));
        EXPECT_FALSE(can_upgrade(lock));
        lock.unlock_upgrade();
        return exclusive;
    }));
    EXPECT_TRUE(can_upgrade(lock));
    lock.unlock_shared();
    EXPECT_TRUE(can_write(lock));
}

TEST(SharedExclusiveLock, TriesThatSucceedGiveTheOldModeBack) {
    Lock lock;
    lock.lock_upgrade();
    EXPECT_TRUE(lock.try_unlock_upgrade_and_lock());
    lock.unlock();
    lock.lock_shared();
    EXPECT_TRUE(lock.try_unlock_shared_and_lock());
    expect_strength(lock, 3, "from shared to exclusive");
    lock.unlock();
    lock.lock_shared();
    EXPECT_TRUE(lock.try_unlock_shared_and_lock_upgrade());
    expect_strength(lock, 2, "from shared to upgrade");
    lock.unlock_upgrade();
    lock.lock_upgrade();
    EXPECT_TRUE(lock.try_unlock_upgrade_and_lock_for(milliseconds(1)));
    lock.unlock();
    expect_strength(lock, 0, "after all");
}

TEST(SharedExclusiveLock, TimedWaitsEnd) {
    Lock lock;
    lock.lock_shared();
    EXPECT_FALSE(elsewhere([&] { return lock.try_lock_for(milliseconds(10)); }));
    EXPECT_TRUE(can_read(lock));
    EXPECT_FALSE(elsewhere([&] {
        lock.lock_shared();
        const bool exclusive = lock.try_unlock_shared_and_lock_for(milliseconds(10));
        lock.unlock_shared();
        return exclusive;
    }));
    lock.unlock_shared();
    lock.lock();
    EXPECT_FALSE(elsewhere([&] { return lock.try_lock_for(milliseconds(10)); }));
    EXPECT_FALSE(elsewhere([&] { return lock.try_lock_shared_for(milliseconds(10)); }));
    EXPECT_FALSE(elsewhere([&] { return lock.try_lock_upgrade_for(milliseconds(10)); }));
    lock.unlock();
    expect_strength(lock, 0, "after all");
    EXPECT_TRUE(lock.try_lock_for(std::chrono::hours(24 * 365 * 1000)));
    lock.unlock();
}

// A waiter behind a thread that always comes back at once.
TEST(SharedExclusiveLock, AWaiterIsNotStarvedByShortHolds) {
    Lock lock;
    std::atomic<bool> end{false};
    Background hog([&] {
        while (!end) {
            lock.lock();
            const LockTime start = DefaultPlatform::now();
            while (DefaultPlatform::now() - start < 50'000) {
            }
            lock.unlock();
        }
    });
    Background waiter([&] {
        for (int round = 0; round < 50; ++round) {
            lock.lock();
            lock.unlock();
            lock.lock_shared();
            lock.unlock_shared();
        }
    });
    EXPECT_TRUE(waiter.is_done_within(long_enough));
    end = true;
}

}  // namespace
}  // namespace pythonnogil
