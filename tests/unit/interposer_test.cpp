// What patching does to a library, for each way a library may be built and loaded.
#include "shim/interposer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <string>
#include <thread>
#include <tuple>

#include "elf_fixture.hpp"
#include "provider.h"

namespace pythonnogil::shim {
namespace {

int redirected_called() {
    return 1001;
}
int redirected_stored() {
    return 1002;
}
int redirected_both() {
    return 1003;
}

Interposition interpose(const char* symbol, ProviderFunction replacement, bool in_data = true) {
    return {symbol, reinterpret_cast<void*>(replacement), in_data};
}

InterpositionTable whole_table(bool in_data = true) {
    return InterpositionTable(std::array{
        interpose("provider_called", redirected_called, in_data),
        interpose("provider_stored", redirected_stored, in_data),
        interpose("provider_both", redirected_both, in_data),
        interpose("provider_of_another_version", redirected_both, in_data),
    });
}

using Build = std::tuple<std::string, std::string, std::string, int>;

// One fixture library per build: RELRO x PLT x optimisation x binding.
class InterposerMatrix : public testing::TestWithParam<Build> {
  protected:
    static std::string name() {
        const auto& [relro, plt, level, binding] = GetParam();
        return "imports_" + relro + "_" + plt + "_" + level;
    }

    // called, both and left by call; then both by address; then the two tables.
    std::array<int, 10> results() const {
        const auto* writable = library_.symbol<ProviderFunction>("writable_table");
        const auto* constant = library_.symbol<ProviderFunction>("constant_table");
        const auto address_of_both = library_.symbol<ProviderFunction()>("address_of_both");
        return {library_.call("call_called"),
                library_.call("call_both"),
                library_.call("call_left"),
                address_of_both()(),
                writable[0](),
                writable[1](),
                writable[2](),
                constant[0](),
                constant[1](),
                constant[2]()};
    }

    static constexpr std::array<int, 10> before{1, 3, 4, 3, 2, 3, 4, 2, 3, 4};
    static constexpr std::array<int, 10> redirected{1001, 1003, 4,    1003, 1002,
                                                    1003, 4,    1002, 1003, 4};
    static constexpr std::array<int, 10> calls_redirected{1001, 1003, 4, 1003, 2, 3, 4, 2, 3, 4};

    LoadedFixture library_{fixture_path(name()), std::get<3>(GetParam())};
};

TEST_P(InterposerMatrix, RedirectsEveryReferenceAndRestoresIt) {
    PatchedImage patched = patch(library_.image(), whole_table());
    EXPECT_GE(patched.slots().size(), 6U);
    EXPECT_EQ(results(), redirected);
    patched.restore();
    EXPECT_EQ(results(), before);
    EXPECT_TRUE(patched.slots().empty());
    patched.restore();
    EXPECT_EQ(results(), before);
}

TEST_P(InterposerMatrix, RedirectsAfterTheFirstCallToo) {
    ASSERT_EQ(results(), before);
    PatchedImage patched = patch(library_.image(), whole_table());
    EXPECT_EQ(results(), redirected);
    patched.restore();
    EXPECT_EQ(results(), before);
}

TEST_P(InterposerMatrix, LeavesInitialisedDataAloneUnlessAsked) {
    PatchedImage patched = patch(library_.image(), whole_table(false));
    EXPECT_EQ(results(), calls_redirected);
    patched.restore();
    EXPECT_EQ(results(), before);
}

TEST_P(InterposerMatrix, LeavesPageProtectionsAsTheyWere) {
    const std::string path = library_.image().path();
    const auto protections = page_protections(path);
    EXPECT_GE(protections.size(), 3U);
    PatchedImage patched = patch(library_.image(), whole_table());
    EXPECT_EQ(page_protections(path), protections);
    patched.restore();
    EXPECT_EQ(page_protections(path), protections);
}

TEST_P(InterposerMatrix, PatchingTwiceRemembersTheFirstValues) {
    PatchedImage first = patch(library_.image(), whole_table());
    const PatchedImage second = patch(library_.image(), whole_table());
    EXPECT_TRUE(second.slots().empty());
    first.restore();
    EXPECT_EQ(results(), before);
}

INSTANTIATE_TEST_SUITE_P(
    Builds, InterposerMatrix,
    testing::Combine(testing::Values("full", "partial", "none"), testing::Values("plt", "no-plt"),
                     testing::Values("O0", "O2"), testing::Values(RTLD_NOW, RTLD_LAZY)),
    [](const auto& build) {
        std::string name = std::get<0>(build.param) + "_" + std::get<1>(build.param) + "_" +
                           std::get<2>(build.param) + "_" +
                           (std::get<3>(build.param) == RTLD_NOW ? "now" : "lazy");
        std::erase(name, '-');
        return name;
    });

TEST(Interposer, LeavesOtherObjectsAlone) {
    const LoadedFixture library("imports_full_plt_O0");
    const LoadedFixture other("imports_partial_plt_O0");
    PatchedImage patched = patch(library.image(), whole_table());
    EXPECT_EQ(library.call("call_called"), 1001);
    EXPECT_EQ(other.call("call_called"), 1);
    EXPECT_EQ(provider_called(), 1);
    patched.restore();
}

TEST(Interposer, LeavesALibrarysOwnDefinitionAlone) {
    const LoadedFixture library("own_definition");
    const int before = library.call("call_called");
    EXPECT_TRUE(patch(library.image(), whole_table()).slots().empty());
    EXPECT_EQ(library.call("call_called"), before);
    EXPECT_NE((*library.symbol<ProviderFunction>("own_table"))(), 1001);
}

TEST(Interposer, LeavesAnAbsentWeakFunctionAbsent) {
    const LoadedFixture library("weak_import");
    ASSERT_TRUE(library.image().imports("provider_missing"));
    const InterpositionTable table(std::array{interpose("provider_missing", redirected_called)});
    EXPECT_TRUE(patch(library.image(), table).slots().empty());
    EXPECT_EQ(library.call("has_missing"), 0);
    EXPECT_EQ(*library.symbol<ProviderFunction>("weak_table"), nullptr);
}

TEST(Interposer, RedirectsThePrivateLibrariesOfALibrary) {
    const LoadedFixture library("uses_private_library");
    std::vector<PatchedImage> patched;
    for (const ElfImage& image : library.image().dependencies()) {
        if (image.contains(library.symbol<void>("private_call")) ||
            image.contains(library.symbol<void>("nameless_call"))) {
            patched.push_back(patch(image, whole_table()));
        }
    }
    ASSERT_EQ(patched.size(), 2U);
    EXPECT_EQ(library.call("call_called"), 1001);
    EXPECT_EQ(library.call("call_nameless"), 1001);
    for (PatchedImage& image : patched) {
        image.restore();
    }
    EXPECT_EQ(library.call("call_called"), 1);
    EXPECT_EQ(library.call("call_nameless"), 1);
}

TEST(Interposer, LeavesSlotsRedirectedWhenTheResultIsDropped) {
    const LoadedFixture library("imports_full_plt_O0");
    PatchedImage kept = [&] {
        PatchedImage patched = patch(library.image(), whole_table());
        return patched;
    }();
    EXPECT_EQ(library.call("call_called"), 1001);
    kept.restore();
    { const PatchedImage dropped = patch(library.image(), whole_table()); }
    EXPECT_EQ(library.call("call_called"), 1001);
}

TEST(Interposer, RestoreSparesASlotThatSomeoneElseTookOver) {
    const LoadedFixture library("imports_none_plt_O0");
    PatchedImage patched = patch(library.image(), whole_table());
    PatchedImage later =
        patch(library.image(),
              InterpositionTable(std::array{interpose("provider_called", redirected_stored)}));
    ASSERT_EQ(library.call("call_called"), 1002);
    patched.restore();
    EXPECT_EQ(library.call("call_called"), 1002);
    EXPECT_EQ(library.call("call_both"), 3);
    later.restore();
    EXPECT_EQ(library.call("call_called"), 1001);
}

TEST(InterpositionTable, CoversATableWithNoOtherSymbols) {
    const InterpositionTable one(std::array{interpose("provider_called", redirected_called)});
    const InterpositionTable two(std::array{interpose("provider_called", redirected_called),
                                            interpose("provider_both", redirected_both)});
    EXPECT_TRUE(one.covers(one));
    EXPECT_TRUE(two.covers(one));
    EXPECT_FALSE(one.covers(two));
}

TEST(Interposer, RefusesATableThatIsAmbiguous) {
    EXPECT_THROW(InterpositionTable(std::array{interpose("provider_both", redirected_both),
                                               interpose("provider_both", redirected_called)}),
                 std::invalid_argument);
    EXPECT_THROW(InterpositionTable(std::array{interpose("provider_both", nullptr)}),
                 std::invalid_argument);
}

TEST(Interposer, ThreadsInsideTheLibrarySeeTheOneOrTheOther) {
    const LoadedFixture library("imports_full_no-plt_O2");
    std::atomic<bool> stop{false};
    std::atomic<int> strange{0};
    std::atomic<int> redirected{0};
    std::thread caller([&] {
        const auto call = library.symbol<int()>("call_called");
        while (!stop) {
            const int result = call();
            strange += result != 1 && result != 1001;
            redirected += result == 1001;
        }
    });
    for (int round = 0; round < 300 || redirected == 0; ++round) {
        patch(library.image(), whole_table()).restore();
    }
    stop = true;
    caller.join();
    EXPECT_EQ(strange, 0);
}

// Slots of one page: the first thread to finish must not close it under the other.
TEST(Interposer, TwoThreadsCanPatchNeighbours) {
    const LoadedFixture library("imports_full_no-plt_O2");
    std::barrier start(2);
    const auto patch_often = [&](const char* symbol) {
        const InterpositionTable table(std::array{interpose(symbol, redirected_both)});
        start.arrive_and_wait();
        for (int round = 0; round < 5000; ++round) {
            patch(library.image(), table).restore();
        }
    };
    std::thread other([&] { patch_often("provider_called"); });
    patch_often("provider_both");
    other.join();
    EXPECT_EQ(library.call("call_called"), 1);
    EXPECT_EQ(library.call("call_both"), 3);
}

}  // namespace
}  // namespace pythonnogil::shim
