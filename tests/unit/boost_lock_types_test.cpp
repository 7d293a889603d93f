// The lock under the lock types of Boost.Thread and of the standard library, which use the whole of
// its interface.

#include <gtest/gtest.h>

#include <boost/chrono/duration.hpp>
#include <boost/thread/lock_guard.hpp>
#include <boost/thread/lock_types.hpp>
#include <boost/thread/shared_lock_guard.hpp>
#include <mutex>
#include <shared_mutex>

#include "pythonnogil/shared_exclusive_lock.hpp"
#include "threads.hpp"

namespace pythonnogil {
namespace {

using Lock = SharedExclusiveLock;
using testing::elsewhere;

// What another thread could take at this moment.
struct Offers {
    bool shared;
    bool upgrade;
    bool exclusive;
    bool operator==(const Offers&) const = default;
};

constexpr Offers everything{true, true, true};
constexpr Offers beside_shared{true, true, false};
constexpr Offers beside_upgrade{true, false, false};
constexpr Offers nothing{false, false, false};

Offers offers(Lock& lock) {
    return elsewhere([&] {
        Offers found{};
        found.exclusive = std::unique_lock(lock, std::try_to_lock).owns_lock();
        found.upgrade = boost::upgrade_lock<Lock>(lock, boost::try_to_lock).owns_lock();
        found.shared = std::shared_lock(lock, std::try_to_lock).owns_lock();
        return found;
    });
}

std::ostream& operator<<(std::ostream& out, const Offers& offers) {
    return out << "shared " << offers.shared << ", upgrade " << offers.upgrade << ", exclusive "
               << offers.exclusive;
}

TEST(BoostLockTypes, SharedLock) {
    Lock lock;
    {
        boost::shared_lock<Lock> held(lock);
        EXPECT_EQ(offers(lock), beside_shared);
        boost::shared_lock<Lock> moved(boost::move(held));
        EXPECT_EQ(offers(lock), beside_shared);
    }
    {
        boost::shared_lock_guard<Lock> held(lock);
        EXPECT_EQ(offers(lock), beside_shared);
    }
    EXPECT_EQ(offers(lock), everything);
}

TEST(BoostLockTypes, UniqueLock) {
    Lock lock;
    {
        boost::unique_lock<Lock> held(lock);
        EXPECT_EQ(offers(lock), nothing);
        held.unlock();
        EXPECT_EQ(offers(lock), everything);
        EXPECT_TRUE(held.try_lock());
    }
    {
        boost::lock_guard<Lock> held(lock);
        EXPECT_EQ(offers(lock), nothing);
    }
    EXPECT_EQ(offers(lock), everything);
}

TEST(BoostLockTypes, UpgradeLock) {
    Lock lock;
    {
        boost::upgrade_lock<Lock> held(lock);
        EXPECT_EQ(offers(lock), beside_upgrade);
        {
            boost::upgrade_to_unique_lock<Lock> exclusive(held);
            EXPECT_TRUE(exclusive.owns_lock());
            EXPECT_EQ(offers(lock), nothing);
        }
        EXPECT_TRUE(held.owns_lock());
        EXPECT_EQ(offers(lock), beside_upgrade);
    }
    EXPECT_EQ(offers(lock), everything);
}

TEST(BoostLockTypes, Conversions) {
    Lock lock;
    {
        boost::unique_lock<Lock> exclusive(lock);
        boost::upgrade_lock<Lock> upgrade(boost::move(exclusive));
        EXPECT_EQ(offers(lock), beside_upgrade);
        boost::unique_lock<Lock> again(boost::move(upgrade));
        EXPECT_EQ(offers(lock), nothing);
        boost::shared_lock<Lock> shared(boost::move(again));
        EXPECT_EQ(offers(lock), beside_shared);
    }
    EXPECT_EQ(offers(lock), everything);
    {
        boost::upgrade_lock<Lock> upgrade(lock);
        boost::shared_lock<Lock> shared(boost::move(upgrade));
        EXPECT_EQ(offers(lock), beside_shared);
    }
    EXPECT_EQ(offers(lock), everything);
}

// A clock of the standard library's: Boost's own durations are for boost::shared_mutex's overloads.
TEST(BoostLockTypes, TimedForms) {
    Lock lock;
    const auto soon = std::chrono::milliseconds(5);
    {
        std::unique_lock held(lock, soon);
        EXPECT_TRUE(held.owns_lock());
        EXPECT_FALSE(elsewhere([&] { return std::shared_lock(lock, soon).owns_lock(); }));
        EXPECT_FALSE(elsewhere([&] { return std::unique_lock(lock, soon).owns_lock(); }));
        EXPECT_FALSE(elsewhere([&] { return lock.try_lock_upgrade_for(soon); }));
    }
    const auto later = std::chrono::system_clock::now() + soon;
    std::shared_lock held(lock, later);
    EXPECT_TRUE(held.owns_lock());
    EXPECT_FALSE(elsewhere([&] { return std::unique_lock(lock, later).owns_lock(); }));
    EXPECT_EQ(offers(lock), beside_shared);
}

}  // namespace
}  // namespace pythonnogil
