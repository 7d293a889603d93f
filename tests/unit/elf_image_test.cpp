#include "shim/elf_image.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <set>
#include <thread>

#include "elf_fixture.hpp"
#include "provider.h"

namespace pythonnogil::shim {
namespace {

std::set<ImportKind> kinds_of(const ElfImage& image, std::string_view symbol) {
    std::set<ImportKind> kinds;
    image.for_each_import([&](const Import& import) {
        if (import.name == symbol) {
            kinds.insert(import.kind);
        }
    });
    return kinds;
}

TEST(ElfImage, IsFoundByHandleAndByAddress) {
    const LoadedFixture library("storage");
    const ElfImage by_handle = library.image();
    EXPECT_EQ(by_handle.path(), fixture_path("storage"));
    const auto by_address = ElfImage::containing(library.symbol<void>("in_bss"));
    ASSERT_TRUE(by_address);
    EXPECT_EQ(by_address->path(), by_handle.path());
    EXPECT_EQ(by_address->base(), by_handle.base());
}

TEST(ElfImage, OfTheProgramItself) {
    const auto program = ElfImage::containing(reinterpret_cast<const void*>(&kinds_of));
    ASSERT_TRUE(program);
    EXPECT_EQ(std::filesystem::path(program->path()).filename(), "elf_test");
    EXPECT_TRUE(program->imports("provider_called") || program->imports("provider_left"));
}

TEST(ElfImage, IsNotFoundForMemoryOfNoObject) {
    const auto owned = std::make_unique<int>(1);
    EXPECT_FALSE(ElfImage::containing(owned.get()));
    EXPECT_FALSE(ElfImage::containing(nullptr));
    EXPECT_THROW(ElfImage::from_handle(nullptr), ElfError);
}

TEST(ElfImage, EveryLoadedObjectCanBeViewed) {
    std::vector<const void*> addresses;
    ::dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* context) {
            static_cast<decltype(addresses)*>(context)->push_back(info->dlpi_phdr);
            return 0;
        },
        &addresses);
    int imports = 0;
    for (const void* address : addresses) {
        const auto image = ElfImage::containing(address);
        ASSERT_TRUE(image);
        image->for_each_import([&](const Import&) { ++imports; });
    }
    EXPECT_GT(addresses.size(), 3U);
    EXPECT_GT(imports, 100);
}

TEST(ElfImage, ContainsItsOwnMemoryOnly) {
    const LoadedFixture library("storage");
    const ElfImage image = library.image();
    for (const char* name : {"in_data", "in_bss", "in_rodata", "in_relro", "in_text"}) {
        EXPECT_TRUE(image.contains(library.symbol<void>(name))) << name;
    }
    const int local = 0;
    EXPECT_FALSE(image.contains(&local));
    EXPECT_FALSE(image.contains(nullptr));
    EXPECT_FALSE(image.contains(reinterpret_cast<void*>(&provider_called)));
    EXPECT_FALSE(image.contains(library.symbol<void>("in_bss"), std::size_t{1} << 30));
    EXPECT_FALSE(image.contains(library.symbol<void>("in_bss"), SIZE_MAX));
}

TEST(ElfImage, KnowsWhatIsWritable) {
    const LoadedFixture library("storage");
    const ElfImage image = library.image();
    EXPECT_TRUE(image.is_writable(library.symbol<void>("in_data"), sizeof(int)));
    EXPECT_TRUE(image.is_writable(library.symbol<void>("in_bss"), sizeof(int)));
    EXPECT_FALSE(image.is_writable(library.symbol<void>("in_rodata"), sizeof(int)));
    EXPECT_FALSE(image.is_writable(library.symbol<void>("in_text")));
    EXPECT_FALSE(image.is_writable(library.symbol<void>("in_relro"), 64 * sizeof(void*)));
    EXPECT_TRUE(image.is_relro(library.symbol<void>("in_relro")));
    EXPECT_FALSE(image.is_relro(library.symbol<void>("in_data")));
    const int local = 0;
    EXPECT_FALSE(image.is_writable(&local));
}

// The kernel's word against ours, for each page of the image.
void expect_agreement(const ElfImage& image, const std::string& path_in_maps) {
    const auto pages = page_protections(path_in_maps);
    EXPECT_FALSE(pages.empty());
    for (const auto& [page, protection] : pages) {
        // A segment may begin inside its first page.
        const auto* last = reinterpret_cast<const char*>(page) + ::sysconf(_SC_PAGESIZE) - 8;
        const void* inside = image.contains(last) ? last : reinterpret_cast<void*>(page);
        if (image.contains(inside)) {
            EXPECT_EQ(image.is_writable(inside), protection[1] == 'w') << image.path();
        }
    }
}

TEST(ElfImage, AgreesWithTheKernelOnWritablePages) {
    for (const char* name : {"imports_full_plt_O0", "imports_partial_plt_O0", "imports_none_plt_O0",
                             "distant_tables", "storage"}) {
        const LoadedFixture library(name);
        expect_agreement(library.image(), library.image().path());
    }
}

// GNU ld ends RELRO at a page boundary, other linkers need not. The dynamic linker then leaves
// the last page writable.
TEST(ElfImage, AgreesWithTheKernelWhenRelroEndsInsideAPage) {
    std::vector<char> bytes = fixture_bytes("distant_tables");
    Elf64_Ehdr header;
    std::memcpy(&header, bytes.data(), sizeof header);
    for (std::size_t index = 0; index < header.e_phnum; ++index) {
        char* place = bytes.data() + header.e_phoff + index * sizeof(Elf64_Phdr);
        Elf64_Phdr segment;
        std::memcpy(&segment, place, sizeof segment);
        segment.p_memsz -= segment.p_type == PT_GNU_RELRO ? 64 : 0;
        std::memcpy(place, &segment, sizeof segment);
    }
    const MemoryFile file;
    const LoadedFixture library(file.write(bytes).path());
    const ElfImage image = library.image();
    expect_agreement(image, MemoryFile::path_in_maps);
    const auto* table = library.symbol<const char>("distant_table");
    EXPECT_FALSE(image.is_writable(table + 65536, 8));
}

TEST(ElfImage, ARangeThatReachesIntoReadOnlyDataIsNotWritable) {
    const LoadedFixture library("storage");
    const ElfImage image = library.image();
    const auto* data = library.symbol<char>("in_data");
    ASSERT_TRUE(image.is_relro(library.symbol<void>("in_relro")));
    const char* last_relro = data;
    while (!image.is_relro(last_relro)) {
        --last_relro;
    }
    EXPECT_TRUE(image.is_writable(last_relro + 1, 8));
    EXPECT_FALSE(image.is_writable(last_relro, 8));
    EXPECT_FALSE(image.is_writable(last_relro - 64, 128));
}

TEST(ElfImage, FindsBothRelocationKindsOfOneSymbol) {
    const LoadedFixture with_plt("imports_partial_plt_O2");
    const LoadedFixture without_plt("imports_partial_no-plt_O2");
    using enum ImportKind;
    EXPECT_EQ(kinds_of(with_plt.image(), "provider_called"), std::set{jump_slot});
    EXPECT_EQ(kinds_of(without_plt.image(), "provider_called"), std::set{glob_dat});
    for (const auto* library : {&with_plt, &without_plt}) {
        EXPECT_EQ(kinds_of(library->image(), "provider_stored"), std::set{absolute});
        const auto both = kinds_of(library->image(), "provider_both");
        EXPECT_TRUE(both.contains(absolute));
        EXPECT_TRUE(both.contains(glob_dat) || both.contains(jump_slot));
    }
}

TEST(ElfImage, SlotsHoldWhatTheyImport) {
    const LoadedFixture library("imports_full_plt_O0");
    int seen = 0;
    library.image().for_each_import([&](const Import& import) {
        if (import.name == "provider_called" || import.name == "provider_stored") {
            EXPECT_EQ(*import.slot, ::dlsym(RTLD_DEFAULT, std::string(import.name).c_str()));
            ++seen;
        }
    });
    EXPECT_EQ(seen, 3);
}

TEST(ElfImage, ADefinedSymbolIsNoImport) {
    const LoadedFixture library("own_definition");
    EXPECT_FALSE(library.image().imports("provider_called"));
    EXPECT_TRUE(LoadedFixture("private_library").image().imports("provider_called"));
}

TEST(ElfImage, ReportsReferencesThatNoPointerCanReplace) {
    const LoadedFixture offset("offset_import");
    EXPECT_TRUE(kinds_of(offset.image(), "provider_stored").contains(ImportKind::unsupported));
    const LoadedFixture thread_local_import("thread_local_import");
    EXPECT_EQ(kinds_of(thread_local_import.image(), "provider_thread_local"),
              std::set{ImportKind::unsupported});
}

TEST(ElfImage, FindsItsPrivateLibraries) {
    const LoadedFixture library("uses_private_library");
    const ElfImage image = library.image();
    EXPECT_FALSE(image.imports("provider_called"));
    const auto names = image.needed();
    const auto images = image.dependencies();
    ASSERT_EQ(images.size(), names.size());
    for (const char* wanted : {"private_library", "nameless_library"}) {
        const auto found =
            std::ranges::find(images, fixture_path(wanted).string(), &ElfImage::path);
        ASSERT_NE(found, images.end()) << wanted;
        EXPECT_TRUE(found->imports("provider_called"));
    }
    EXPECT_EQ(std::ranges::count(names, "nameless_library.so"), 1);
}

// dl_iterate_phdr holds a lock that glibc does not reset in a forked child.
TEST(ElfImage, CanBeFoundInAChildForkedMeanwhile) {
    std::atomic<bool> stop{false};
    std::thread seeker([&] {
        while (!stop) {
            ElfImage::containing(&stop);
        }
    });
    bool failed = false;
    for (int round = 0; round < 200 && !failed; ++round) {
        failed = 0 != status_in_child([] {
                     return ElfImage::containing(reinterpret_cast<const void*>(&provider_called))
                                ? 0
                                : 1;
                 });
    }
    stop = true;
    seeker.join();
    EXPECT_FALSE(failed);
}

TEST(ElfImage, ReadsImportsBesidePackedRelativeRelocations) {
    if (!std::filesystem::exists(fixture_path("packed_relative"))) {
        GTEST_SKIP() << "this machine's linker does not pack relative relocations";
    }
    const LoadedFixture library("packed_relative");
    EXPECT_EQ(kinds_of(library.image(), "provider_called"), std::set{ImportKind::jump_slot});
    EXPECT_EQ(kinds_of(library.image(), "provider_stored"), std::set{ImportKind::absolute});
}

}  // namespace
}  // namespace pythonnogil::shim
