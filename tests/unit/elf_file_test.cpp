#include "shim/elf_file.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <functional>
#include <random>

#include "elf_fixture.hpp"

namespace pythonnogil::shim {
namespace {

using Bytes = std::vector<char>;

class ElfFileTest : public testing::Test {
  protected:
    std::filesystem::path write(const Bytes& bytes) const { return file_.write(bytes).path(); }

    // The fixture with its ELF header changed.
    std::filesystem::path write_with_header(const std::function<void(Elf64_Ehdr&)>& change) const {
        Bytes bytes = fixture_bytes("storage");
        Elf64_Ehdr header;
        std::memcpy(&header, bytes.data(), sizeof header);
        change(header);
        std::memcpy(bytes.data(), &header, sizeof header);
        return write(bytes);
    }

    MemoryFile file_;
};

// The error's text; fails the test if the file is taken.
std::string refusal(const std::filesystem::path& path) {
    try {
        check_elf_file(path);
    } catch (const ElfError& error) {
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
        EXPECT_TRUE(std::string(error.what()).starts_with(path.string() + ": ")) << error.what();
        return error.what();
    }
    ADD_FAILURE() << path << " was not refused";
    return {};
}

bool is_accepted(const std::filesystem::path& path) {
    try {
        check_elf_file(path);
        return true;
    } catch (const ElfError&) {
        return false;
    }
}

bool mentions(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST_F(ElfFileTest, AcceptsEveryFixture) {
    int seen = 0;
    for (const auto& entry : std::filesystem::directory_iterator(ELF_FIXTURES)) {
        EXPECT_NO_THROW(check_elf_file(entry.path()));
        ++seen;
    }
    EXPECT_GT(seen, 12);
}

TEST_F(ElfFileTest, RefusesWhatCannotBeRead) {
    EXPECT_TRUE(mentions(refusal(fixture_path("missing")), "No such file or directory"));
    EXPECT_TRUE(mentions(refusal(ELF_FIXTURES), "Is a directory"));
    EXPECT_TRUE(mentions(refusal("/dev/null"), "not a regular file"));
}

// Opening a FIFO waits for a writer, unless asked not to.
TEST_F(ElfFileTest, DoesNotWaitForAWriter) {
    std::string directory = testing::TempDir() + "elf_file_XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    const std::filesystem::path fifo = directory + "/fifo.so";
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
    EXPECT_EQ(status_in_child([&] { return is_accepted(fifo) ? 1 : 0; }), 0);
    std::filesystem::remove_all(directory);
}

TEST_F(ElfFileTest, RefusesWhatIsNotElf) {
    EXPECT_TRUE(mentions(refusal(write({})), "the file is empty"));
    EXPECT_TRUE(mentions(refusal(write({'\x7f', 'E'})), "not an ELF file"));
    EXPECT_TRUE(mentions(refusal(write(Bytes(4096, 'x'))), "not an ELF file"));
    const Bytes start = fixture_bytes("storage");
    EXPECT_TRUE(mentions(refusal(write({start.begin(), start.begin() + 20})), "truncated"));
}

TEST_F(ElfFileTest, RefusesOtherMachinesAndFormats) {
    const auto other = NativeElf::machine == EM_X86_64 ? EM_AARCH64 : EM_X86_64;
    const std::string other_name = other == EM_AARCH64 ? "AArch64" : "x86-64";
    EXPECT_TRUE(
        mentions(refusal(write_with_header([&](auto& header) { header.e_machine = other; })),
                 "built for " + other_name + ", this process is " + NativeElf::name));
    EXPECT_TRUE(mentions(
        refusal(write_with_header([](auto& header) { header.e_ident[EI_CLASS] = ELFCLASS32; })),
        "not a 64-bit ELF file"));
    EXPECT_TRUE(mentions(
        refusal(write_with_header([](auto& header) { header.e_ident[EI_DATA] = ELFDATA2MSB; })),
        "not a little-endian ELF file"));
    EXPECT_TRUE(mentions(refusal(write_with_header([](auto& header) { header.e_type = ET_REL; })),
                         "not a shared object"));
}

TEST_F(ElfFileTest, RefusesDamagedProgramHeaders) {
    EXPECT_TRUE(mentions(refusal(write_with_header([](auto& header) { header.e_phentsize = 32; })),
                         "a program header is said to have 32 bytes"));
    EXPECT_TRUE(mentions(refusal(write_with_header([](auto& header) { header.e_phoff = 1 << 30; })),
                         "truncated: the table of program headers"));
    EXPECT_TRUE(mentions(refusal(write_with_header([](auto& header) { header.e_phnum = 0; })),
                         "no dynamic segment"));
}

// Disk blocks that were reserved and never written.
TEST_F(ElfFileTest, RefusesZerosWhereTheDynamicSectionWas) {
    Bytes bytes = fixture_bytes("storage");
    Elf64_Ehdr header;
    std::memcpy(&header, bytes.data(), sizeof header);
    const auto headers_end = header.e_phoff + header.e_phnum * sizeof(Elf64_Phdr);
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(headers_end), bytes.end(), '\0');
    EXPECT_TRUE(mentions(refusal(write(bytes)), "names no symbol table"));
}

TEST_F(ElfFileTest, NamesTheTruncatedSegment) {
    Bytes bytes = fixture_bytes("storage");
    bytes.resize(8192);
    EXPECT_TRUE(mentions(refusal(write(bytes)), "truncated: segment "));
    EXPECT_TRUE(mentions(refusal(write(bytes)), ", the file has 8192"));
}

// Whatever length passes, the dynamic linker must survive.
TEST_F(ElfFileTest, TruncatedFilesThatPassDoNotCrashTheLinker) {
    const Bytes whole = fixture_bytes("storage");
    int refused = 0;
    int passed = 0;
    for (std::size_t length = 0; length < whole.size(); length += 64) {
        const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        const auto path = write(part);
        if (!is_accepted(path)) {
            ++refused;
            continue;
        }
        ++passed;
        const int status = status_in_child([&] {
            ::dlopen(path.c_str(), RTLD_NOW);
            return 0;
        });
        EXPECT_EQ(status, 0) << "the linker crashed on the first " << length << " bytes";
    }
    EXPECT_GT(refused, 100);
    EXPECT_GT(passed, 5);
}

// The control for the test above: without the check, the linker does crash.
TEST_F(ElfFileTest, TruncatedFileDoesCrashTheLinkerUnchecked) {
    Bytes bytes = fixture_bytes("distant_tables");
    bytes.resize(65536);
    const auto path = write(bytes);
    ASSERT_FALSE(is_accepted(path));
    const int status = status_in_child([&] {
        std::signal(SIGBUS, SIG_DFL);
        ::dlopen(path.c_str(), RTLD_NOW);
        return 0;
    });
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS) << status;
}

TEST_F(ElfFileTest, ListsImportedSymbols) {
    auto names = imported_symbols(fixture_path("imports_full_plt_O0"));
    std::ranges::sort(names);
    for (const char* expected :
         {"provider_both", "provider_called", "provider_left", "provider_stored"}) {
        EXPECT_EQ(std::ranges::count(names, expected), 1) << expected;
    }
    EXPECT_EQ(std::ranges::count(names, "call_called"), 0);
}

TEST_F(ElfFileTest, ListsTheSameSymbolsInEveryBuild) {
    const auto provided = [](const std::string& name) {
        auto names = imported_symbols(fixture_path(name));
        std::erase_if(names, [](const auto& symbol) { return !symbol.starts_with("provider_"); });
        std::ranges::sort(names);
        return names;
    };
    for (const char* relro : {"full", "partial", "none"}) {
        for (const char* rest : {"_plt_O0", "_plt_O2", "_no-plt_O0", "_no-plt_O2"}) {
            const std::string name = std::string("imports_") + relro + rest;
            EXPECT_EQ(provided(name), provided("imports_full_plt_O0")) << name;
        }
    }
}

TEST_F(ElfFileTest, DoesNotListDefinedSymbols) {
    const auto names = imported_symbols(fixture_path("own_definition"));
    EXPECT_EQ(std::ranges::count(names, "provider_called"), 0);
}

TEST_F(ElfFileTest, ImportedSymbolsChecksTheFileFirst) {
    Bytes bytes = fixture_bytes("storage");
    bytes.resize(8192);
    EXPECT_THROW(imported_symbols(write(bytes)), ElfError);
    EXPECT_THROW(imported_symbols(fixture_path("missing")), ElfError);
}

// Flips land in the first part of the file, where headers and tables are, or anywhere.
TEST_F(ElfFileTest, RandomDamageGivesAnErrorOrAList) {
    const Bytes whole = fixture_bytes("imports_full_plt_O0");
    std::mt19937 random(20240607);
    std::uniform_int_distribution<std::size_t> headers(0, 1023);
    std::uniform_int_distribution<std::size_t> anywhere(0, whole.size() - 1);
    std::uniform_int_distribution<int> value(0, 255);
    int errors = 0;
    int lists = 0;
    for (int round = 0; round < 4000; ++round) {
        Bytes damaged = whole;
        for (int flips = 1 + round % 8; flips > 0; --flips) {
            const std::size_t place = flips % 2 == 0 ? headers(random) : anywhere(random);
            damaged[place] = static_cast<char>(value(random));
        }
        try {
            imported_symbols(write(damaged));
            ++lists;
        } catch (const ElfError&) {
            ++errors;
        }
    }
    EXPECT_GT(errors, 500);
    EXPECT_GT(lists, 500);
}

}  // namespace
}  // namespace pythonnogil::shim
