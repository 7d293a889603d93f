#include "shim/symbols.hpp"

#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string_view>

namespace pythonnogil::shim {

namespace {

// A file, of which only what is asked for is read. It is not mapped: whoever shortens a mapped file
// ends the process.
class Bytes {
  public:
    explicit Bytes(const std::string& path) : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
        struct stat status {};
        if (fstat(file_, &status) == 0)
            size_ = static_cast<std::uint64_t>(status.st_size);
    }
    ~Bytes() {
        if (file_ >= 0)
            close(file_);
    }
    Bytes(const Bytes&) = delete;
    Bytes& operator=(const Bytes&) = delete;

    // Empty when it does not lie in the file.
    template <typename Item>
    std::vector<Item> table(std::uint64_t offset, std::uint64_t count) const {
        if (offset > size_ || count > (size_ - offset) / sizeof(Item))
            return {};
        std::vector<Item> items(static_cast<std::size_t>(count));
        const std::size_t bytes = items.size() * sizeof(Item);
        const ssize_t done = pread(file_, items.data(), bytes, static_cast<off_t>(offset));
        return done == static_cast<ssize_t>(bytes) ? items : std::vector<Item>();
    }

  private:
    int file_;
    std::uint64_t size_ = 0;
};

// The text that begins there and ends with a zero.
std::string text_at(const std::vector<char>& texts, std::uint64_t offset) {
    if (offset >= texts.size())
        return {};
    const auto begin = texts.begin() + static_cast<std::ptrdiff_t>(offset);
    return {begin, std::find(begin, texts.end(), '\0')};
}

std::string demangled(const std::string& name) {
    int failed = 0;
    const std::unique_ptr<char, decltype(&std::free)> text(
        abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &failed), &std::free);
    return failed == 0 ? text.get() : name;
}

std::string hexadecimal(std::uint64_t number) {
    std::ostringstream text;
    text << "0x" << std::hex << number;
    return text.str();
}

std::string last_part(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

// The full table of symbols where the file has one, else the dynamic linker's.
std::optional<Elf64_Shdr> table_of_symbols(const std::vector<Elf64_Shdr>& sections) {
    for (const Elf64_Word type : {SHT_SYMTAB, SHT_DYNSYM}) {
        const auto place = std::ranges::find(sections, type, &Elf64_Shdr::sh_type);
        if (place != sections.end())
            return *place;
    }
    return std::nullopt;
}

}  // namespace

Symbols::Symbols() {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        Mapping mapping{};
        int path = 0;
        if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %*s %" SCNx64 " %*s %*s %n",
                        &mapping.begin, &mapping.end, &mapping.offset, &path) < 3)
            continue;
        mapping.file = line.substr(static_cast<std::size_t>(path));
        if (mapping.file.starts_with('/'))
            mappings_.push_back(std::move(mapping));
    }
}

const Symbols::Mapping* Symbols::mapping_of(std::uintptr_t address) const {
    const auto place = std::ranges::find_if(mappings_, [&](const Mapping& mapping) {
        return mapping.begin <= address && address < mapping.end;
    });
    return place == mappings_.end() ? nullptr : &*place;
}

std::string Symbols::file_of(std::uintptr_t address) const {
    const Mapping* const mapping = mapping_of(address);
    return mapping == nullptr ? std::string() : mapping->file;
}

Symbols::File Symbols::read(const std::string& path) {
    File file;
    const Bytes bytes(path);
    const auto header = bytes.table<Elf64_Ehdr>(0, 1);
    if (header.empty() || std::string_view(reinterpret_cast<const char*>(header[0].e_ident), 4) !=
                              std::string_view(ELFMAG, SELFMAG))
        return file;
    for (const auto& segment : bytes.table<Elf64_Phdr>(header[0].e_phoff, header[0].e_phnum)) {
        if (segment.p_type == PT_LOAD)
            file.segments.push_back({segment.p_offset, segment.p_vaddr, segment.p_filesz});
    }
    const auto sections = bytes.table<Elf64_Shdr>(header[0].e_shoff, header[0].e_shnum);
    const auto table = table_of_symbols(sections);
    if (!table || table->sh_link >= sections.size())
        return file;
    const Elf64_Shdr& names = sections[table->sh_link];
    file.names = bytes.table<char>(names.sh_offset, names.sh_size);
    for (const auto& symbol :
         bytes.table<Elf64_Sym>(table->sh_offset, table->sh_size / sizeof(Elf64_Sym))) {
        if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_shndx != SHN_UNDEF)
            file.functions.push_back({symbol.st_value, symbol.st_size, symbol.st_name});
    }
    return file;
}

const Symbols::File& Symbols::contents_of(const std::string& path) {
    const auto place = files_.find(path);
    return place != files_.end() ? place->second : files_.emplace(path, read(path)).first->second;
}

std::string Symbols::describe(std::uintptr_t address) {
    const Mapping* const mapping = mapping_of(address);
    if (mapping == nullptr)
        return hexadecimal(address);
    const std::uint64_t in_file = address - mapping->begin + mapping->offset;
    const File& file = contents_of(mapping->file);
    const auto segment = std::ranges::find_if(file.segments, [&](const auto& candidate) {
        return candidate.offset <= in_file && in_file < candidate.offset + candidate.size;
    });
    const std::uint64_t place =
        segment == file.segments.end() ? in_file : in_file - segment->offset + segment->address;
    std::string in = last_part(mapping->file) + "+" + hexadecimal(place);
    const auto function = std::ranges::find_if(file.functions, [&](const Function& candidate) {
        return candidate.begin <= place && place < candidate.begin + candidate.size;
    });
    if (function == file.functions.end())
        return in;
    return demangled(text_at(file.names, function->name)) + "+" +
           hexadecimal(place - function->begin) + " (" + in + ")";
}

}  // namespace pythonnogil::shim
