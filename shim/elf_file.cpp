#include "shim/elf_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

namespace pythonnogil::shim {
namespace {

constexpr const char* reinstall = "; reinstall the package that owns it";

struct Descriptor {
    explicit Descriptor(int opened) : value(opened) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (value >= 0) {
            ::close(value);
        }
    }

    int value;
};

std::string decimal(std::uint64_t number) {
    return std::to_string(number);
}

// A regular file that is read in pieces, each checked against its size.
class InputFile {
  public:
    explicit InputFile(const std::filesystem::path& path);

    [[noreturn]] void fail(const std::string& what) const { throw ElfError(path_, what); }
    [[noreturn]] void fail_with_errno(int error) const {
        fail("cannot be read: " + std::generic_category().message(error));
    }

    std::uint64_t size() const { return size_; }

    template <typename Item>
    std::vector<Item> read(std::uint64_t offset, std::uint64_t count, const char* what) const {
        if (offset > size_ || count > (size_ - offset) / sizeof(Item)) {
            fail(std::string("truncated: the ") + what + " ends after byte " + decimal(size_) +
                 ", where the file ends" + reinstall);
        }
        std::vector<Item> items(count);
        read_bytes(items.data(), offset, count * sizeof(Item));
        return items;
    }

  private:
    void read_bytes(void* target, std::uint64_t offset, std::uint64_t count) const;

    std::filesystem::path path_;
    Descriptor descriptor_;
    std::uint64_t size_ = 0;
};

// O_NONBLOCK: opening a FIFO must give an error, not wait for a writer.
InputFile::InputFile(const std::filesystem::path& path)
    : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    struct stat status {};
    if (descriptor_.value < 0 || ::fstat(descriptor_.value, &status) != 0) {
        fail_with_errno(errno);
    }
    if (S_ISDIR(status.st_mode)) {
        fail_with_errno(EISDIR);
    }
    if (!S_ISREG(status.st_mode)) {
        fail("not a regular file; an extension module must be one");
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
}

void InputFile::read_bytes(void* target, std::uint64_t offset, std::uint64_t count) const {
    auto* next = static_cast<std::byte*>(target);
    while (count > 0) {
        const ssize_t got = ::pread(descriptor_.value, next, count, static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            fail_with_errno(errno);
        }
        if (got == 0) {
            fail("became shorter while it was read; import it again once it is written");
        }
        next += got;
        offset += static_cast<std::uint64_t>(got);
        count -= static_cast<std::uint64_t>(got);
    }
}

std::string machine_name(Elf64_Half machine) {
    switch (machine) {
        case EM_386:
            return "32-bit x86";
        case EM_X86_64:
            return "x86-64";
        case EM_ARM:
            return "32-bit ARM";
        case EM_AARCH64:
            return "AArch64";
        default:
            return "ELF machine " + decimal(machine);
    }
}

void check_magic(const InputFile& file) {
    if (file.size() == 0) {
        file.fail(std::string("the file is empty") + reinstall);
    }
    const auto start = file.read<char>(0, std::min<std::uint64_t>(file.size(), SELFMAG), "start");
    if (std::string_view(start.data(), start.size()) != ELFMAG) {
        file.fail("not an ELF file: its first bytes are not those of a shared library");
    }
}

Elf64_Ehdr read_header(const InputFile& file) {
    check_magic(file);
    const auto header = file.read<Elf64_Ehdr>(0, 1, "ELF header").front();
    if (header.e_ident[EI_CLASS] != ELFCLASS64) {
        file.fail(std::string("not a 64-bit ELF file; install a build for 64-bit ") +
                  NativeElf::name);
    }
    if (header.e_ident[EI_DATA] != ELFDATA2LSB) {
        file.fail(std::string("not a little-endian ELF file; install a build for ") +
                  NativeElf::name);
    }
    if (header.e_machine != NativeElf::machine) {
        file.fail("built for " + machine_name(header.e_machine) + ", this process is " +
                  NativeElf::name + "; install a build for " + NativeElf::name);
    }
    if (header.e_type != ET_DYN) {
        file.fail("not a shared object (ELF type " + decimal(header.e_type) +
                  "); an extension module must be one");
    }
    if (header.e_phentsize != sizeof(Elf64_Phdr)) {
        file.fail("damaged: a program header is said to have " + decimal(header.e_phentsize) +
                  " bytes" + reinstall);
    }
    return header;
}

// The file with its program headers, and translation from addresses to file offsets.
class Layout {
  public:
    explicit Layout(const InputFile& file);

    const DynamicSection& dynamic() const { return dynamic_; }

    // `count` items at `address`, which must be backed by the file.
    template <typename Item>
    std::vector<Item> read(std::uint64_t address, std::uint64_t count, const char* what) const {
        for (const Elf64_Phdr& load : loads_) {
            const std::uint64_t inside = address - load.p_vaddr;
            if (address >= load.p_vaddr && inside <= load.p_filesz &&
                count <= (load.p_filesz - inside) / sizeof(Item)) {
                return file_.read<Item>(load.p_offset + inside, count, what);
            }
        }
        file_.fail(std::string("damaged: the ") + what + " lies outside the file's segments" +
                   reinstall);
    }

    std::vector<Elf64_Rela> read_relocations(std::uint64_t address, std::uint64_t bytes) const {
        return bytes == 0
                   ? std::vector<Elf64_Rela>{}
                   : read<Elf64_Rela>(address, bytes / sizeof(Elf64_Rela), "relocation table");
    }

  private:
    void check_segment(const Elf64_Phdr& segment, std::size_t index) const;
    void read_dynamic(const std::vector<Elf64_Phdr>& segments);

    const InputFile& file_;
    std::vector<Elf64_Phdr> loads_;
    DynamicSection dynamic_;
};

Layout::Layout(const InputFile& file) : file_(file) {
    const Elf64_Ehdr header = read_header(file);
    const auto segments =
        file.read<Elf64_Phdr>(header.e_phoff, header.e_phnum, "table of program headers");
    for (std::size_t index = 0; index < segments.size(); ++index) {
        if (segments[index].p_type == PT_LOAD) {
            check_segment(segments[index], index);
            loads_.push_back(segments[index]);
        }
    }
    read_dynamic(segments);
}

void Layout::check_segment(const Elf64_Phdr& segment, std::size_t index) const {
    const std::uint64_t end = segment.p_offset + segment.p_filesz;
    if (end < segment.p_offset) {
        file_.fail("damaged: segment " + decimal(index) + " is larger than any file" + reinstall);
    }
    if (end > file_.size()) {
        file_.fail("truncated: segment " + decimal(index) + " ends at byte " + decimal(end) +
                   ", the file has " + decimal(file_.size()) + reinstall);
    }
}

// A file whose blocks were reserved but never written is full of zeros here, and the dynamic
// linker would follow the null pointers.
void Layout::read_dynamic(const std::vector<Elf64_Phdr>& segments) {
    const auto found = std::ranges::find(segments, Elf64_Word{PT_DYNAMIC}, &Elf64_Phdr::p_type);
    if (found == segments.end()) {
        file_.fail("not a shared object: it has no dynamic segment");
    }
    dynamic_ = read_dynamic_section(
        read<Elf64_Dyn>(found->p_vaddr, found->p_filesz / sizeof(Elf64_Dyn), "dynamic section"));
    if (dynamic_.strings == 0 || dynamic_.symbols == 0) {
        file_.fail(std::string("damaged: the dynamic section names no symbol table") + reinstall);
    }
}

// Symbol numbers that relocations refer to, sorted, each once.
std::vector<std::uint64_t> referenced_symbols(const Layout& layout) {
    const DynamicSection& dynamic = layout.dynamic();
    std::vector<std::uint64_t> numbers;
    const auto collect = [&numbers](const std::vector<Elf64_Rela>& table) {
        std::ranges::transform(table, std::back_inserter(numbers), [](const Elf64_Rela& item) {
            return std::uint64_t{ELF64_R_SYM(item.r_info)};
        });
    };
    const std::uint64_t skipped =
        std::min(dynamic.relative_count, dynamic.relocation_bytes / sizeof(Elf64_Rela)) *
        sizeof(Elf64_Rela);
    collect(
        layout.read_relocations(dynamic.relocations + skipped, dynamic.relocation_bytes - skipped));
    collect(layout.read_relocations(dynamic.plt_relocations, dynamic.plt_bytes));
    std::ranges::sort(numbers);
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    return numbers;
}

std::string string_at(const InputFile& file, const std::vector<char>& strings,
                      std::uint64_t offset) {
    if (offset < strings.size()) {
        const char* begin = strings.data() + offset;
        const void* end = std::memchr(begin, '\0', strings.size() - offset);
        if (end != nullptr) {
            return {begin, static_cast<const char*>(end)};
        }
    }
    file.fail(std::string("damaged: a symbol's name lies outside the string table") + reinstall);
}

}  // namespace

void check_elf_file(const std::filesystem::path& path) {
    Layout{InputFile(path)};
}

std::vector<std::string> imported_symbols(const std::filesystem::path& path) {
    const InputFile file(path);
    const Layout layout(file);
    const std::vector<std::uint64_t> numbers = referenced_symbols(layout);
    if (numbers.empty()) {
        return {};
    }
    const DynamicSection& dynamic = layout.dynamic();
    const auto symbols =
        layout.read<Elf64_Sym>(dynamic.symbols, numbers.back() + 1, "dynamic symbol table");
    const auto strings =
        layout.read<char>(dynamic.strings, dynamic.string_bytes, "dynamic string table");
    std::vector<std::string> names;
    for (const std::uint64_t number : numbers) {
        const Elf64_Sym& symbol = symbols[number];
        if (number != STN_UNDEF && symbol.st_shndx == SHN_UNDEF) {
            names.push_back(string_at(file, strings, symbol.st_name));
        }
    }
    return names;
}

}  // namespace pythonnogil::shim
