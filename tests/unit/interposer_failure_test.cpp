// What patching leaves behind when it is refused, by us or by the kernel.
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <string>
#include <thread>

#include "elf_fixture.hpp"
#include "provider.h"
#include "shim/interposer.hpp"

namespace pythonnogil::shim {
namespace {

int redirected() {
    return 1000;
}

InterpositionTable table_for(const char* symbol, bool in_data = true) {
    return InterpositionTable(
        std::array{Interposition{symbol, reinterpret_cast<void*>(&redirected), in_data}});
}

InterpositionTable table_for_all() {
    void* replacement = reinterpret_cast<void*>(&redirected);
    return InterpositionTable(std::array{Interposition{"provider_called", replacement, true},
                                         Interposition{"provider_stored", replacement, true},
                                         Interposition{"provider_both", replacement, true}});
}

std::string refusal(const ElfImage& image, const InterpositionTable& table) {
    try {
        patch(image, table);
    } catch (const ElfError& error) {
        return error.what();
    }
    return "not refused";
}

TEST(InterposerFailure, RefusesTextRelocations) {
    const LoadedFixture library("text_relocation");
    const std::string expected = fixture_path("text_relocation").string() +
                                 ": its reference to provider_stored is inside its code (text "
                                 "relocation); rebuild it with -fPIC";
    EXPECT_EQ(refusal(library.image(), table_for("provider_stored")), expected);
    EXPECT_EQ(refusal(library.image(), table_for("provider_stored", false)), expected);
    EXPECT_EQ(refusal(library.image(), table_for_all()), expected);
    EXPECT_EQ(library.call("call_called"), 1);
}

TEST(InterposerFailure, RefusesWhatNoPointerCanReplaceAndWritesNothing) {
    const LoadedFixture library("offset_import");
    const std::string message = refusal(library.image(), table_for_all());
    EXPECT_NE(message.find("reference to provider_stored (relocation type"), std::string::npos);
    EXPECT_NE(message.find("cannot be redirected"), std::string::npos);
    EXPECT_EQ(library.call("call_called"), 1);
    EXPECT_EQ((*library.symbol<ProviderFunction>("plain_table"))(), 2);
    const LoadedFixture other("thread_local_import");
    EXPECT_NE(refusal(other.image(), table_for("provider_thread_local")), "not refused");
}

TEST(InterposerFailure, RefusesUnalignedSlots) {
    const LoadedFixture library("unaligned_table");
    EXPECT_NE(refusal(library.image(), table_for("provider_stored")).find("is stored unaligned"),
              std::string::npos);
}

// A system call filter that makes mprotect fail for one protection and one page (or any page).
bool refuse_mprotect(int protection, const void* page) {
    const auto argument = [](int index) {
        return static_cast<std::uint32_t>(offsetof(seccomp_data, args) +
                                          static_cast<std::size_t>(index) * sizeof(std::uint64_t));
    };
    const auto low_half = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(page));
    const auto wanted = static_cast<std::uint32_t>(protection);
    const std::uint8_t skip_other_pages = page == nullptr ? 0 : 1;
    std::array program{
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 5),
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument(2)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, wanted, 0, 3),
        sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument(0)),
        sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low_half, 0, skip_other_pages),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog filter{program.size(), program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

enum Outcome {
    as_expected = 0,
    no_filter = 70,
    not_thrown = 71,
    slots_changed = 72,
    pages_changed
};

// The two ends of a constant table, on pages of their own.
class DistantTables {
  public:
    DistantTables() : table_(library_.symbol<ProviderFunction>("distant_table")) {}

    ElfImage image() const { return library_.image(); }
    const void* last_page() const {
        const auto page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
        return reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(&table_[last]) &
                                       ~(page_size - 1));
    }
    bool holds(int value) const { return table_[0]() == value && table_[last]() == value; }

    // The page that the filter kept open is nobody's to close; all others must be as before.
    bool same_pages_except_last(const std::map<std::uintptr_t, std::string>& former) const {
        auto now = page_protections(image().path());
        const auto page = reinterpret_cast<std::uintptr_t>(last_page());
        now[page] = former.at(page);
        return now == former;
    }

  private:
    static constexpr std::size_t last = 3 * 65536 / sizeof(ProviderFunction) - 1;

    LoadedFixture library_{"distant_tables"};
    ProviderFunction const* table_;
};

// In a child: forbids the change to the last page, calls `change`, and looks at what is left.
template <typename Change>
Outcome outcome_when_refused(const DistantTables& tables, int protection, const void* page,
                             int expected, Change change) {
    const auto former = page_protections(tables.image().path());
    if (!refuse_mprotect(protection, page)) {
        return no_filter;
    }
    try {
        change();
        return not_thrown;
    } catch (const ElfError&) {
        if (!tables.holds(expected)) {
            return slots_changed;
        }
        return tables.same_pages_except_last(former) ? as_expected : pages_changed;
    }
}

void expect_as_before(int status) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == no_filter) {
        GTEST_SKIP() << "system call filters are not available here";
    }
    EXPECT_EQ(status, 0) << "exit code " << WEXITSTATUS(status);
}

TEST(InterposerFailure, WritesNothingWhenPagesCannotBeOpened) {
    const DistantTables tables;
    for (const void* page : {static_cast<const void*>(nullptr), tables.last_page()}) {
        expect_as_before(status_in_child([&] {
            return outcome_when_refused(tables, PROT_READ | PROT_WRITE, page, 2,
                                        [&] { patch(tables.image(), table_for_all()); });
        }));
    }
}

TEST(InterposerFailure, TakesEverythingBackWhenPagesCannotBeClosed) {
    const DistantTables tables;
    expect_as_before(status_in_child([&] {
        return outcome_when_refused(tables, PROT_READ, tables.last_page(), 2,
                                    [&] { patch(tables.image(), table_for_all()); });
    }));
}

TEST(InterposerFailure, StaysRedirectedWhenRestoringFails) {
    const DistantTables tables;
    for (const int protection : {PROT_READ | PROT_WRITE, PROT_READ}) {
        expect_as_before(status_in_child([&] {
            PatchedImage patched = patch(tables.image(), table_for_all());
            const Outcome outcome = outcome_when_refused(tables, protection, tables.last_page(),
                                                         1000, [&] { patched.restore(); });
            return patched.slots().size() == 2 ? outcome : slots_changed;
        }));
    }
}

// The control for the tests above: the same steps with nothing forbidden.
TEST(InterposerFailure, DistantTablesAreRedirectedWhenNothingFails) {
    const DistantTables tables;
    const auto former = page_protections(tables.image().path());
    PatchedImage patched = patch(tables.image(), table_for_all());
    EXPECT_TRUE(tables.holds(1000));
    EXPECT_EQ(page_protections(tables.image().path()), former);
    patched.restore();
    EXPECT_TRUE(tables.holds(2));
}

// A child forked while another thread is patching must be able to patch.
TEST(InterposerFailure, AChildForkedMeanwhileCanPatch) {
    const LoadedFixture library("imports_full_plt_O0");
    const DistantTables tables;
    std::atomic<bool> stop{false};
    std::thread patcher([&] {
        while (!stop) {
            patch(tables.image(), table_for_all()).restore();
        }
    });
    bool failed = false;
    for (int round = 0; round < 100 && !failed; ++round) {
        failed = 0 != status_in_child([&] {
                     const PatchedImage patched = patch(library.image(), table_for_all());
                     return library.call("call_called") == 1000 ? 0 : 1;
                 });
    }
    stop = true;
    patcher.join();
    EXPECT_FALSE(failed);
}

}  // namespace
}  // namespace pythonnogil::shim
