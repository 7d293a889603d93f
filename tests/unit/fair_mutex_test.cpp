#include "pythonnogil/fair_mutex.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "threads.hpp"

namespace pythonnogil {
namespace {

using Mutex = FairMutex<DefaultPlatform>;
using std::chrono::milliseconds;
using testing::Background;

// A millisecond, which is longer than a waiter has to wait before it is served first.
void hold_for_long() {
    std::this_thread::sleep_for(milliseconds(1));
}

TEST(FairMutex, HasOneOwner) {
    Mutex mutex;
    ASSERT_TRUE(mutex.try_acquire_uncontended());
    EXPECT_FALSE(mutex.try_acquire_uncontended());
    EXPECT_FALSE(mutex.try_acquire());
    mutex.release();
    EXPECT_TRUE(mutex.try_acquire());
    mutex.release();
}

TEST(FairMutex, WakesAWaiterThatSleeps) {
    Mutex mutex;
    ASSERT_TRUE(mutex.try_acquire());
    Background waiter([&] {
        EXPECT_TRUE(mutex.acquire(no_deadline));
        mutex.release();
    });
    EXPECT_FALSE(waiter.is_done_soon());
    EXPECT_TRUE(mutex.has_waiters());
    mutex.release();
    EXPECT_TRUE(waiter.is_done_within(milliseconds(10'000)));
    EXPECT_FALSE(mutex.has_waiters());
}

// The thread that releases it takes it again at once, and so always finds it free first.
TEST(FairMutex, GoesToAWaiterThatHasWaitedForLong) {
    Mutex mutex;
    ASSERT_TRUE(mutex.try_acquire());
    Background waiter([&] {
        EXPECT_TRUE(mutex.acquire(no_deadline));
        hold_for_long();
        mutex.release();
    });
    while (!mutex.has_waiters())
        hold_for_long();
    hold_for_long();
    mutex.release();
    EXPECT_FALSE(mutex.try_acquire_uncontended()) << "the waiter was overtaken";
    EXPECT_TRUE(mutex.acquire(no_deadline));
    mutex.release();
}

TEST(FairMutex, ServesWaitersInTheirOrder) {
    Mutex mutex;
    std::vector<int> order;
    ASSERT_TRUE(mutex.try_acquire());
    auto wait_as = [&](int number) {
        return [&, number] {
            EXPECT_TRUE(mutex.acquire(no_deadline));
            order.push_back(number);
            hold_for_long();
            mutex.release();
        };
    };
    Background first(wait_as(1));
    EXPECT_FALSE(first.is_done_soon());
    Background second(wait_as(2));
    EXPECT_FALSE(second.is_done_soon());
    mutex.release();
    first.join();
    second.join();
    EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(FairMutex, GivesUpAtTheDeadline) {
    Mutex mutex;
    ASSERT_TRUE(mutex.try_acquire());
    const LockTime start = DefaultPlatform::now();
    EXPECT_FALSE(mutex.acquire(start + 20'000'000));
    EXPECT_GE(DefaultPlatform::now() - start, 20'000'000);
    EXPECT_FALSE(mutex.has_waiters()) << "who gave up is still in the queue";
    mutex.release();
    EXPECT_TRUE(mutex.try_acquire_uncontended());
    mutex.release();
}

TEST(FairMutex, LetsReadersGoWithoutIt) {
    Mutex mutex;
    std::atomic<bool> open{false};
    ASSERT_TRUE(mutex.try_acquire());
    std::atomic<int> admitted{0};
    auto read = [&] {
        auto outcome = mutex.acquire_or([&] { return open.load(); }, no_deadline);
        admitted += outcome == Mutex::Outcome::admitted;
    };
    {
        Background first(read);
        Background second(read);
        EXPECT_FALSE(first.is_done_soon());
        EXPECT_FALSE(second.is_done_soon());
        open = true;
        mutex.wake_readers();
    }
    EXPECT_EQ(admitted, 2);
    EXPECT_FALSE(mutex.has_waiters());
    mutex.release();
}

}  // namespace
}  // namespace pythonnogil
