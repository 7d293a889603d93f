#include "pythonnogil/reader_slots.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <mutex>

#include "threads.hpp"

namespace pythonnogil {
namespace {

using std::chrono::milliseconds;
using testing::Background;
using testing::elsewhere;

bool nobody_is_out(const ReaderSlots::Record&) {
    return false;
}

// Whether all readers are out, at once.
bool try_revoke(ReaderSlots& slots) {
    return slots.revoke(nobody_is_out, [](std::uint32_t) { return false; });
}

TEST(ReaderSlots, TheGateIsClosedAtFirst) {
    ReaderSlots slots;
    EXPECT_FALSE(slots.try_enter());
    EXPECT_FALSE(slots.readers_possible());
    EXPECT_EQ(slots.depth(), 0U);
}

TEST(ReaderSlots, AllowLetsReadersIn) {
    ReaderSlots slots;
    slots.allow();
    EXPECT_TRUE(slots.readers_possible());
    ASSERT_TRUE(slots.try_enter());
    EXPECT_TRUE(elsewhere([&] {
        const bool entered = slots.try_enter();
        slots.leave();
        return entered;
    }));
    slots.leave();
}

TEST(ReaderSlots, EntersAtOnceWhereNothingHasToBeCalled) {
    using Entered = ReaderSlots::Entered;
    ReaderSlots slots;
    ReaderSlots other;
    int user = 0;
    ReaderSlots::Registry::this_thread();
    EXPECT_EQ(slots.try_enter_at_once(&user), Entered::no) << "the gate is closed";
    slots.allow();
    other.allow();
    ASSERT_EQ(slots.try_enter_at_once(&user), Entered::yes);
    EXPECT_EQ(ReaderSlots::Registry::this_thread().user.load(), &user);
    ASSERT_EQ(slots.try_enter_at_once(&user), Entered::yes);
    EXPECT_EQ(slots.depth(), 2U);
    EXPECT_FALSE(elsewhere([&] { return try_revoke(slots); }));
    EXPECT_EQ(other.try_enter_at_once(&user), Entered::no) << "inside another lock";
    slots.leave();
    slots.leave();
    EXPECT_TRUE(elsewhere([&] { return try_revoke(slots); }));
}

TEST(ReaderSlots, AThreadsFirstTimeIsNotAtOnce) {
    ReaderSlots slots;
    slots.allow();
    EXPECT_EQ(elsewhere([&] { return slots.try_enter_at_once(nullptr); }),
              ReaderSlots::Entered::no);
}

TEST(ReaderSlots, ARefusedReaderTakesItsAnnouncementBack) {
    ReaderSlots slots;
    slots.allow();
    ReaderSlots::Registry::this_thread();
    // The writer closes the gate between the reader's first look at it and its second one.
    std::atomic<int> refused = 0;
    std::atomic<bool> end = false;
    std::thread reader([&] {
        ReaderSlots::Registry::this_thread();
        while (!end) {
            switch (slots.try_enter_at_once(nullptr)) {
                case ReaderSlots::Entered::yes:
                    slots.leave();
                    break;
                case ReaderSlots::Entered::taken_back_later:
                    slots.take_back();
                    ++refused;
                    break;
                case ReaderSlots::Entered::no:
                    break;
            }
        }
    });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (refused == 0 && std::chrono::steady_clock::now() < deadline) {
        while (!try_revoke(slots)) {
        }
        EXPECT_FALSE(slots.readers_possible());
        slots.open();
        EXPECT_TRUE(slots.try_enter_again());
        slots.leave();
        slots.end_open();
    }
    end = true;
    reader.join();
    EXPECT_TRUE(try_revoke(slots));
    EXPECT_GT(refused, 0) << "the test has not seen what it is for";
}

TEST(ReaderSlots, RevokeSeesAReader) {
    ReaderSlots slots;
    slots.allow();
    ASSERT_TRUE(slots.try_enter());
    EXPECT_FALSE(elsewhere([&] { return try_revoke(slots); }));
    slots.leave();
    EXPECT_TRUE(elsewhere([&] { return try_revoke(slots); }));
    EXPECT_FALSE(slots.readers_possible());
    EXPECT_FALSE(slots.try_enter());
}

TEST(ReaderSlots, ANestedReaderGetsInThroughAClosedGate) {
    ReaderSlots slots;
    slots.allow();
    ASSERT_TRUE(slots.try_enter());
    ASSERT_FALSE(elsewhere([&] { return try_revoke(slots); }));
    EXPECT_TRUE(slots.try_enter());
    EXPECT_EQ(slots.depth(), 2U);
    slots.leave();
    EXPECT_FALSE(elsewhere([&] { return try_revoke(slots); }));
    slots.leave();
    EXPECT_TRUE(elsewhere([&] { return try_revoke(slots); }));
}

TEST(ReaderSlots, RevokeIgnoresItsOwnThread) {
    ReaderSlots slots;
    slots.allow();
    ASSERT_TRUE(slots.try_enter());
    EXPECT_TRUE(try_revoke(slots));
    EXPECT_TRUE(slots.readers_possible()) << "a later writer would not look for this reader";
    EXPECT_FALSE(elsewhere([&] { return try_revoke(slots); }));
    slots.leave();
    EXPECT_TRUE(elsewhere([&] { return try_revoke(slots); }));
}

TEST(ReaderSlots, AnOwnerThatEntersIsSeenWithoutBias) {
    ReaderSlots slots;
    slots.enter_as_owner();
    EXPECT_TRUE(slots.readers_possible());
    EXPECT_FALSE(elsewhere([&] { return try_revoke(slots); }));
    slots.leave();
    EXPECT_TRUE(elsewhere([&] { return try_revoke(slots); }));
}

TEST(ReaderSlots, ReadersThatCannotRunAreIgnoredButNotForgotten) {
    ReaderSlots slots;
    int state = 0;
    slots.allow();
    ASSERT_TRUE(slots.try_enter());
    ReaderSlots::Registry::this_thread().user.store(&state);
    EXPECT_TRUE(elsewhere([&] {
        return slots.revoke([&](const auto& record) { return record.user.load() == &state; },
                            [](std::uint32_t) { return false; });
    }));
    EXPECT_TRUE(slots.readers_possible());
    EXPECT_FALSE(elsewhere([&] { return try_revoke(slots); }));
    slots.leave();
    ReaderSlots::Registry::this_thread().user.store(nullptr);
}

TEST(ReaderSlots, ALeavingReaderWakesTheWriter) {
    ReaderSlots slots;
    slots.allow();
    ASSERT_TRUE(slots.try_enter());
    Background writer([&] {
        EXPECT_TRUE(slots.revoke(nobody_is_out, [&](std::uint32_t ticket) {
            slots.wait_for_departure(ticket, no_deadline);
            return true;
        }));
    });
    EXPECT_FALSE(writer.is_done_soon());
    slots.leave();
    EXPECT_TRUE(writer.is_done_within(milliseconds(10'000)));
}

TEST(ReaderSlots, BiasIsInhibitedAfterARevocation) {
    ReaderSlots slots;
    // The inhibition lasts for some hundred microseconds, and this thread may lose its processor
    // for longer; hardly a hundred times in a row.
    bool inhibited = false;
    for (int attempt = 0; attempt < 100 && !inhibited; ++attempt) {
        std::this_thread::sleep_for(milliseconds(5));
        slots.allow();
        ASSERT_TRUE(try_revoke(slots));
        slots.allow();
        inhibited = !slots.readers_possible();
    }
    // A sequentially consistent platform has no barrier that costs anything.
    if (DefaultPlatform::publish != std::memory_order_seq_cst) {
        EXPECT_TRUE(inhibited);
    }
    std::this_thread::sleep_for(milliseconds(50));
    slots.allow();
    EXPECT_TRUE(slots.try_enter());
    slots.leave();
}

TEST(ReaderSlots, OneThreadHoldsManyLocksAndLeavesThemInAnyOrder) {
    std::deque<ReaderSlots> locks(10);
    for (int round = 0; round < 2; ++round) {
        for (ReaderSlots& slots : locks) {
            slots.allow();
            ASSERT_TRUE(slots.try_enter());
            ASSERT_TRUE(slots.try_enter());
        }
        for (std::size_t index : std::array{0, 5, 9, 1, 2, 8, 7, 3, 6, 4}) {
            ReaderSlots& slots = locks[index];
            EXPECT_EQ(slots.depth(), 2U);
            slots.leave();
            EXPECT_FALSE(elsewhere([&] { return try_revoke(slots); }));
            slots.leave();
            EXPECT_TRUE(elsewhere([&] { return try_revoke(slots); }));
        }
        std::this_thread::sleep_for(milliseconds(20));
    }
}

TEST(ReaderSlots, OpeningIsLeftToTheFirstReader) {
    ReaderSlots slots;
    slots.open();
    EXPECT_FALSE(slots.try_enter());
    EXPECT_TRUE(slots.try_enter_again());
    EXPECT_TRUE(slots.try_enter());
    slots.leave();
    slots.leave();
}

TEST(ReaderSlots, WhatWasOpenedEnds) {
    ReaderSlots slots;
    slots.open();
    slots.end_open();
    EXPECT_FALSE(slots.try_enter_again());
    EXPECT_FALSE(slots.readers_possible());
}

TEST(ReaderRegistry, ReusesTheRecordsOfThreadsThatEnded) {
    auto record = [] { return &ReaderSlots::Registry::this_thread(); };
    auto* own = record();
    auto* first = elsewhere(record);
    EXPECT_EQ(elsewhere(record), first);
    EXPECT_NE(own, first);
}

TEST(ReaderRegistry, KeepsTheRecordOfAThreadThatEndedInside) {
    ReaderSlots slots;
    slots.allow();
    auto* lost = elsewhere([&] {
        EXPECT_TRUE(slots.try_enter());
        return &ReaderSlots::Registry::this_thread();
    });
    EXPECT_FALSE(try_revoke(slots));
    EXPECT_NE(elsewhere([] { return &ReaderSlots::Registry::this_thread(); }), lost);
    lost->entries.front().lock.store(nullptr);
}

TEST(ReaderRegistry, AChildForgetsTheThreadsItDoesNotHave) {
    ReaderSlots slots;
    slots.allow();
    std::atomic<bool> entered{false};
    std::atomic<bool> end{false};
    Background reader([&] {
        EXPECT_TRUE(slots.try_enter());
        entered = true;
        while (!end)
            std::this_thread::sleep_for(milliseconds(1));
        slots.leave();
    });
    while (!entered)
        std::this_thread::sleep_for(milliseconds(1));
    const pid_t child = fork();
    if (child == 0) {
        const bool seen = !try_revoke(slots);
        ReaderSlots::Registry::forget_other_threads();
        _exit(seen && try_revoke(slots) ? 0 : 1);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    end = true;
}

#if !defined(__SANITIZE_THREAD__)
TEST(AsymmetricBarrier, IsUsedWhereTheKernelHasIt) {
    EXPECT_EQ(asymmetric_barrier::available, asymmetric_barrier::register_process());
    asymmetric_barrier::light();
    asymmetric_barrier::heavy();
}
#endif

}  // namespace
}  // namespace pythonnogil
