#include "shim/elf_image.hpp"

#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <system_error>

#include "shim/fork_mutex.hpp"

namespace pythonnogil::shim {
namespace {

// Protects nothing of ours: it is held across fork so that no thread of ours is inside
// dl_iterate_phdr then. glibc (seen with 2.36) does not reset that function's lock in the child,
// where the next import would wait for ever.
std::mutex linker_list_mutex;

[[maybe_unused]] const int linker_list_mutex_is_held_across_fork =
    hold_across_fork<linker_list_mutex>();

// What dl_iterate_phdr reports of one object, copied, since its pointers are only good while the
// dynamic linker's lock is held.
struct LoadedObject {
    std::string path;
    std::uintptr_t base;
    std::vector<Elf64_Phdr> headers;
};

struct Search {
    std::uint32_t segment_type;
    std::uintptr_t address;
    std::optional<LoadedObject> found;
};

bool has_segment_at(const dl_phdr_info& object, std::uint32_t type, std::uintptr_t address) {
    const std::span headers(object.dlpi_phdr, object.dlpi_phnum);
    return std::ranges::any_of(headers, [&](const Elf64_Phdr& header) {
        return header.p_type == type &&
               address - (object.dlpi_addr + header.p_vaddr) < header.p_memsz;
    });
}

int examine_object(dl_phdr_info* object, std::size_t /*bytes*/, void* context) {
    auto* search = static_cast<Search*>(context);
    if (!has_segment_at(*object, search->segment_type, search->address)) {
        return 0;
    }
    const std::span headers(object->dlpi_phdr, object->dlpi_phnum);
    search->found =
        LoadedObject{object->dlpi_name, object->dlpi_addr, {headers.begin(), headers.end()}};
    return 1;
}

// The linker's own list of objects must not be walked without its lock: another thread may be in
// dlclose. dl_iterate_phdr takes that lock.
std::optional<LoadedObject> find_object(std::uint32_t segment_type, std::uintptr_t address) {
    Search search{segment_type, address, std::nullopt};
    {
        const std::lock_guard lock(linker_list_mutex);
        ::dl_iterate_phdr(examine_object, &search);
    }
    if (search.found && search.found->path.empty()) {
        std::error_code ignored;
        search.found->path = std::filesystem::read_symlink("/proc/self/exe", ignored);
    }
    return std::move(search.found);
}

std::uintptr_t page_floor(std::uintptr_t address) {
    static const auto page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    return address & ~(page_size - 1);
}

std::uintptr_t as_number(const void* address) {
    return reinterpret_cast<std::uintptr_t>(address);
}

ImportKind kind_of(const Elf64_Rela& relocation, std::uint32_t type) {
    // An offset from a function is no function: nothing we could put there would mean the same.
    if (relocation.r_addend != 0) {
        return ImportKind::unsupported;
    }
    switch (type) {
        case NativeElf::jump_slot:
            return ImportKind::jump_slot;
        case NativeElf::glob_dat:
            return ImportKind::glob_dat;
        case NativeElf::absolute:
            return ImportKind::absolute;
        default:
            return ImportKind::unsupported;
    }
}

struct CloseHandle {
    void operator()(void* handle) const { ::dlclose(handle); }
};

}  // namespace

ElfImage ElfImage::from_handle(void* handle) {
    link_map* map = nullptr;
    if (handle == nullptr || ::dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) {
        throw ElfError("dlopen handle", "it names no loaded object");
    }
    const auto object = find_object(PT_DYNAMIC, as_number(map->l_ld));
    if (!object) {
        throw ElfError(map->l_name, "the dynamic linker does not list this object");
    }
    return {object->path, object->base, object->headers};
}

std::optional<ElfImage> ElfImage::containing(const void* address) {
    const auto object = find_object(PT_LOAD, as_number(address));
    if (!object) {
        return std::nullopt;
    }
    return ElfImage(object->path, object->base, object->headers);
}

ElfImage::ElfImage(std::string path, std::uintptr_t base, std::span<const Elf64_Phdr> headers)
    : path_(std::move(path)), base_(base) {
    const Elf64_Phdr* dynamic = nullptr;
    for (const Elf64_Phdr& header : headers) {
        const std::uintptr_t begin = base + header.p_vaddr;
        const std::uintptr_t end = begin + header.p_memsz;
        if (header.p_type == PT_LOAD) {
            segments_.push_back(
                {begin, end, (header.p_flags & PF_W) != 0, (header.p_flags & PF_X) != 0});
        } else if (header.p_type == PT_GNU_RELRO) {
            // Both ends are rounded down, as glibc does: a last page that RELRO fills only in
            // part stays writable.
            relro_begin_ = page_floor(begin);
            relro_end_ = page_floor(end);
        } else if (header.p_type == PT_DYNAMIC) {
            dynamic = &header;
        }
    }
    if (dynamic != nullptr) {
        read_dynamic(*dynamic);
    }
}

void ElfImage::read_dynamic(const Elf64_Phdr& header) {
    const DynamicSection section = read_dynamic_section(
        table<Elf64_Dyn>(base_ + header.p_vaddr, header.p_memsz, "dynamic section"));
    strings_ = table<char>(section.strings, section.string_bytes, "dynamic string table");
    if (!strings_.empty() && strings_.back() != '\0') {
        throw ElfError(path_, "the dynamic string table does not end in a null byte");
    }
    symbols_ = table<Elf64_Sym>(section.symbols, sizeof(Elf64_Sym), "dynamic symbol table").data();
    const auto all =
        table<Elf64_Rela>(section.relocations, section.relocation_bytes, "relocation table");
    relocations_ = all.subspan(std::min<std::size_t>(section.relative_count, all.size()));
    plt_relocations_ =
        table<Elf64_Rela>(section.plt_relocations, section.plt_bytes, "table of PLT relocations");
    needed_ = section.needed;
}

// The linker adds the base to the addresses in a dynamic section, except where that section is
// read-only (the vDSO, and what a linker's "-z rodynamic" makes). Both forms are taken.
template <typename Item>
std::span<const Item> ElfImage::table(std::uint64_t address, std::uint64_t bytes,
                                      const char* what) const {
    if (address == 0 || bytes == 0) {
        return {};
    }
    for (const std::uint64_t candidate : {address, base_ + address}) {
        if (segment_of(candidate, bytes) != nullptr && candidate % alignof(Item) == 0) {
            return {reinterpret_cast<const Item*>(candidate), bytes / sizeof(Item)};
        }
    }
    throw ElfError(path_, std::string("the ") + what + " lies outside the loaded object");
}

const ElfImage::Segment* ElfImage::segment_of(std::uintptr_t address, std::size_t bytes) const {
    for (const Segment& segment : segments_) {
        if (address >= segment.begin && address < segment.end) {
            return bytes <= segment.end - address ? &segment : nullptr;
        }
    }
    return nullptr;
}

bool ElfImage::contains(const void* address, std::size_t bytes) const {
    return segment_of(as_number(address), bytes) != nullptr;
}

bool ElfImage::is_relro(const void* address) const {
    return as_number(address) >= relro_begin_ && as_number(address) < relro_end_;
}

bool ElfImage::is_writable(const void* address, std::size_t bytes) const {
    const std::uintptr_t begin = as_number(address);
    const Segment* segment = segment_of(begin, bytes);
    if (segment == nullptr || !segment->writable) {
        return false;
    }
    return begin >= relro_end_ || begin + bytes <= relro_begin_;
}

bool ElfImage::is_executable(const void* address) const {
    const Segment* segment = segment_of(as_number(address), 1);
    return segment != nullptr && segment->executable;
}

const char* ElfImage::string_at(std::uint64_t offset) const {
    if (offset >= strings_.size()) {
        throw ElfError(path_, "a name lies outside the dynamic string table");
    }
    return strings_.data() + offset;
}

const Elf64_Sym& ElfImage::symbol_at(std::uint64_t number) const {
    const Elf64_Sym* symbol = symbols_ + number;
    if (symbols_ == nullptr || !contains(symbol, sizeof(Elf64_Sym))) {
        throw ElfError(path_, "a relocation refers to a symbol outside the symbol table");
    }
    return *symbol;
}

void ElfImage::visit_table(std::span<const Elf64_Rela> relocations,
                           const std::function<void(const Import&)>& visit) const {
    for (const Elf64_Rela& relocation : relocations) {
        const std::uint64_t number = ELF64_R_SYM(relocation.r_info);
        if (number == STN_UNDEF) {
            continue;
        }
        const Elf64_Sym& symbol = symbol_at(number);
        if (symbol.st_shndx != SHN_UNDEF) {
            continue;
        }
        auto** slot = reinterpret_cast<void**>(base_ + relocation.r_offset);
        if (!contains(slot, sizeof(void*))) {
            throw ElfError(path_, "a relocation lies outside the loaded object");
        }
        const auto type = static_cast<std::uint32_t>(ELF64_R_TYPE(relocation.r_info));
        visit({string_at(symbol.st_name), slot, kind_of(relocation, type), type});
    }
}

void ElfImage::for_each_import(const std::function<void(const Import&)>& visit) const {
    visit_table(plt_relocations_, visit);
    visit_table(relocations_, visit);
}

bool ElfImage::imports(std::string_view symbol) const {
    bool found = false;
    for_each_import([&](const Import& import) { found = found || import.name == symbol; });
    return found;
}

std::vector<std::string> ElfImage::needed() const {
    std::vector<std::string> names;
    std::ranges::transform(needed_, std::back_inserter(names),
                           [this](std::uint64_t offset) { return string_at(offset); });
    return names;
}

// RTLD_NOLOAD asks the linker itself which loaded object a name stands for: a soname, a path, or
// an alias the object was once found under. It loads nothing. The handle can be given back at
// once, since this image keeps its dependencies loaded.
std::vector<ElfImage> ElfImage::dependencies() const {
    std::vector<ElfImage> images;
    for (const std::string& name : needed()) {
        const std::unique_ptr<void, CloseHandle> handle(
            ::dlopen(name.c_str(), RTLD_LAZY | RTLD_NOLOAD));
        if (!handle) {
            throw ElfError(path_, "the library it needs, " + name + ", is not found as loaded");
        }
        images.push_back(from_handle(handle.get()));
    }
    return images;
}

}  // namespace pythonnogil::shim
