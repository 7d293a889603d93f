// The ELF vocabulary that elf_file (a file on disk) and elf_image (a loaded object) share: the
// error type, the numbers of the machine we run on, and the fields of a dynamic section.
// Internal to the shim. Thread-safety: plain values, no state.
#pragma once

#include <elf.h>

#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace pythonnogil::shim {

// What is wrong with an ELF file or image, as one line that begins with its path.
class ElfError : public std::runtime_error {
  public:
    ElfError(const std::filesystem::path& path, const std::string& what)
        : std::runtime_error(path.string() + ": " + what) {}
};

// All that differs between the machines we know. A port adds one block.
struct NativeElf {
#if defined(__x86_64__)
    static constexpr Elf64_Half machine = EM_X86_64;
    static constexpr const char* name = "x86-64";
    static constexpr std::uint32_t jump_slot = R_X86_64_JUMP_SLOT;
    static constexpr std::uint32_t glob_dat = R_X86_64_GLOB_DAT;
    static constexpr std::uint32_t absolute = R_X86_64_64;
#elif defined(__aarch64__)
    static constexpr Elf64_Half machine = EM_AARCH64;
    static constexpr const char* name = "AArch64";
    static constexpr std::uint32_t jump_slot = R_AARCH64_JUMP_SLOT;
    static constexpr std::uint32_t glob_dat = R_AARCH64_GLOB_DAT;
    static constexpr std::uint32_t absolute = R_AARCH64_ABS64;
#else
#error "the ELF interposer knows x86-64 and AArch64 only"
#endif
};

// The entries of a dynamic section that we use, zero where absent.
//
// DT_REL is left out because the dynamic linker ignores it on both machines. DT_RELR is left out
// because it can only say "add the base here": it names no symbol, so it imports nothing.
struct DynamicSection {
    std::uint64_t strings = 0;
    std::uint64_t string_bytes = 0;
    std::uint64_t symbols = 0;
    std::uint64_t relocations = 0;
    std::uint64_t relocation_bytes = 0;
    // The first so many relocations are relative and name no symbol: most of a large table.
    std::uint64_t relative_count = 0;
    std::uint64_t plt_relocations = 0;
    std::uint64_t plt_bytes = 0;
    std::vector<std::uint64_t> needed;  // offsets into the strings
};

inline DynamicSection read_dynamic_section(std::span<const Elf64_Dyn> entries) {
    DynamicSection section;
    for (const Elf64_Dyn& entry : entries) {
        const std::uint64_t value = entry.d_un.d_val;
        switch (entry.d_tag) {
            case DT_NULL:
                return section;
            case DT_STRTAB:
                section.strings = value;
                break;
            case DT_STRSZ:
                section.string_bytes = value;
                break;
            case DT_SYMTAB:
                section.symbols = value;
                break;
            case DT_RELA:
                section.relocations = value;
                break;
            case DT_RELASZ:
                section.relocation_bytes = value;
                break;
            case DT_RELACOUNT:
                section.relative_count = value;
                break;
            case DT_JMPREL:
                section.plt_relocations = value;
                break;
            case DT_PLTRELSZ:
                section.plt_bytes = value;
                break;
            case DT_NEEDED:
                section.needed.push_back(value);
                break;
            default:
                break;
        }
    }
    return section;
}

}  // namespace pythonnogil::shim
