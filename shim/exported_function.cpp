#include "shim/exported_function.hpp"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "shim/elf_image.hpp"
#include "shim/fork_mutex.hpp"

namespace pythonnogil::shim {

namespace {

// Protects the replaced functions and the pages of symbol tables that are writable for the moment.
std::mutex mutex;

[[maybe_unused]] const int mutex_is_held_across_fork = hold_across_fork<mutex>();

// By handle and name.
using Replaced = std::map<std::pair<void*, std::string>, void*>;

Replaced& replaced() {
    static auto* const instance = new Replaced;
    return *instance;
}

bool protect(std::uintptr_t page, std::size_t bytes, int protection) {
    return ::mprotect(reinterpret_cast<void*>(page), bytes, protection) == 0;
}

// The linker's entry for a function, in memory that is mapped from the file and read-only.
Elf64_Sym& entry_of(const ElfImage& image, void* function, const std::string& symbol) {
    Dl_info info{};
    void* found = nullptr;
    const bool known = ::dladdr1(function, &info, &found, RTLD_DL_SYMENT) != 0;
    auto* const entry = static_cast<Elf64_Sym*>(found);
    if (!known || entry == nullptr || !image.contains(entry, sizeof(Elf64_Sym)) ||
        info.dli_sname == nullptr || symbol != info.dli_sname || info.dli_saddr != function)
        throw ElfError(image.path(), "its function " + symbol +
                                         " has other names as well, so it cannot be redirected; "
                                         "rebuild it with one name for each function");
    return *entry;
}

// dlsym adds the base of the file to the value, so the distance may point anywhere.
void write_address(const ElfImage& image, Elf64_Sym& entry, void* address) {
    const auto page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto place = reinterpret_cast<std::uintptr_t>(&entry.st_value);
    const std::uintptr_t page = place & ~(page_size - 1);
    const int as_mapped = PROT_READ | (image.is_executable(&entry) ? PROT_EXEC : 0);
    if (!protect(page, page_size, as_mapped | PROT_WRITE))
        throw ElfError(image.path(), "cannot make its symbol table writable: " +
                                         std::generic_category().message(errno));
    std::atomic_ref<Elf64_Addr>(entry.st_value)
        .store(reinterpret_cast<std::uintptr_t>(address) - image.base(), std::memory_order_relaxed);
    protect(page, page_size, as_mapped);
}

}  // namespace

void* replace_exported_function(void* handle, const std::string& symbol, void* replacement) {
    // The linker is asked outside the mutex: a fork takes all mutexes in an order of its own.
    void* const function = ::dlsym(handle, symbol.c_str());
    if (function == nullptr)
        return nullptr;
    const auto image = ElfImage::containing(function);
    const std::lock_guard lock(mutex);
    const auto known = replaced().find({handle, symbol});
    if (known != replaced().end())
        return known->second;
    if (!image)
        throw ElfError(symbol, "is in no file that is loaded");
    write_address(*image, entry_of(*image, function, symbol), replacement);
    replaced()[{handle, symbol}] = function;
    return function;
}

}  // namespace pythonnogil::shim
