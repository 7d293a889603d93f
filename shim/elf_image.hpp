// A view of one object that the dynamic linker has loaded: its memory, its imports, what it needs.
//
// An ElfImage owns nothing: the object must stay loaded while the view is used, so keep a dlopen
// handle, or never close it. Copies are cheap enough and independent.
// Thread-safety: immutable after construction. Other threads may run in the object meanwhile.
// Errors: ElfError. An object whose tables do not lie in its own memory is refused.
#pragma once

#include <link.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shim/elf_native.hpp"

namespace pythonnogil::shim {

enum class ImportKind {
    jump_slot,   // a call through the procedure linkage table
    glob_dat,    // a call or an address through the global offset table
    absolute,    // an address stored in initialised data
    unsupported  // refers to the symbol in a way that a stored pointer cannot replace
};

// One place in an image where the dynamic linker stores the address of an undefined symbol.
struct Import {
    std::string_view name;
    void** slot;
    ImportKind kind;
    std::uint32_t relocation;  // the machine's number for it
};

class ElfImage {
  public:
    // The object behind a handle that dlopen returned.
    static ElfImage from_handle(void* handle);

    // The object with `address` in one of its segments, if any.
    static std::optional<ElfImage> containing(const void* address);

    const std::string& path() const { return path_; }
    std::uintptr_t base() const { return base_; }

    // Whether `bytes` bytes from `address` lie in one of the object's segments.
    bool contains(const void* address, std::size_t bytes = 1) const;

    // Whether they may be written as the dynamic linker left them: read-only data that needed
    // relocation (RELRO) is not writable, though its segment is.
    bool is_writable(const void* address, std::size_t bytes = 1) const;

    // Whether it lies in a segment of code, where linkers may put read-only data as well.
    bool is_executable(const void* address) const;

    // Whether any of the byte's page was made read-only after relocation.
    bool is_relro(const void* address) const;

    // Names of the direct dependencies (DT_NEEDED), and their images.
    std::vector<std::string> needed() const;
    std::vector<ElfImage> dependencies() const;

    // Every reference to an undefined symbol. The same symbol may come several times, under
    // several kinds.
    void for_each_import(const std::function<void(const Import&)>& visit) const;

    bool imports(std::string_view symbol) const;

  private:
    struct Segment {
        std::uintptr_t begin;
        std::uintptr_t end;
        bool writable;
        bool executable;
    };

    ElfImage(std::string path, std::uintptr_t base, std::span<const Elf64_Phdr> headers);

    const Segment* segment_of(std::uintptr_t address, std::size_t bytes) const;
    void read_dynamic(const Elf64_Phdr& header);
    template <typename Item>
    std::span<const Item> table(std::uint64_t address, std::uint64_t bytes, const char* what) const;
    const char* string_at(std::uint64_t offset) const;
    const Elf64_Sym& symbol_at(std::uint64_t number) const;
    void visit_table(std::span<const Elf64_Rela> relocations,
                     const std::function<void(const Import&)>& visit) const;

    std::string path_;
    std::uintptr_t base_;
    std::vector<Segment> segments_;
    std::uintptr_t relro_begin_ = 0;
    std::uintptr_t relro_end_ = 0;
    std::span<const char> strings_;
    const Elf64_Sym* symbols_ = nullptr;
    std::span<const Elf64_Rela> relocations_;
    std::span<const Elf64_Rela> plt_relocations_;
    std::vector<std::uint64_t> needed_;
};

}  // namespace pythonnogil::shim
