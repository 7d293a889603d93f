// What the ELF tests share: fixture libraries, loaded; page protections; work in a child process.
#pragma once

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "shim/elf_image.hpp"

namespace pythonnogil::shim {

inline std::filesystem::path fixture_path(const std::string& name) {
    return std::filesystem::path(ELF_FIXTURES) / (name + ".so");
}

inline std::vector<char> fixture_bytes(const std::string& name) {
    std::ifstream file(fixture_path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// A file in memory: thousands of damaged files are written without touching a disk.
class MemoryFile {
  public:
    MemoryFile() : descriptor_(::memfd_create("elf_fixture", 0)) {
        if (descriptor_ < 0) {
            throw std::runtime_error("memfd_create failed");
        }
    }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    ~MemoryFile() { ::close(descriptor_); }

    static constexpr const char* path_in_maps = "/memfd:elf_fixture (deleted)";

    std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

    const MemoryFile& write(const std::vector<char>& bytes) const {
        if (::ftruncate(descriptor_, 0) != 0 || ::pwrite(descriptor_, bytes.data(), bytes.size(),
                                                         0) != static_cast<ssize_t>(bytes.size())) {
            throw std::runtime_error("cannot write a file in memory");
        }
        return *this;
    }

  private:
    int descriptor_;
};

// A fixture library, loaded until the end of the scope.
class LoadedFixture {
  public:
    explicit LoadedFixture(const char* name) : LoadedFixture(fixture_path(name)) {}
    explicit LoadedFixture(const std::filesystem::path& path, int flags = RTLD_NOW)
        : handle_(::dlopen(path.c_str(), flags)) {
        if (handle_ == nullptr) {
            throw std::runtime_error(::dlerror());
        }
    }
    LoadedFixture(const LoadedFixture&) = delete;
    LoadedFixture& operator=(const LoadedFixture&) = delete;
    ~LoadedFixture() { ::dlclose(handle_); }

    void* handle() const { return handle_; }
    ElfImage image() const { return ElfImage::from_handle(handle_); }

    template <typename Object>
    Object* symbol(const char* name) const {
        void* address = ::dlsym(handle_, name);
        if (address == nullptr) {
            throw std::runtime_error(::dlerror());
        }
        return reinterpret_cast<Object*>(address);
    }

    int call(const char* name) const { return symbol<int()>(name)(); }

  private:
    void* handle_;
};

// The protection ("rw-p") of each page that is mapped from the file, from /proc/self/maps.
inline std::map<std::uintptr_t, std::string> page_protections(const std::string& path) {
    const auto page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    std::map<std::uintptr_t, std::string> pages;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        if (!line.ends_with(path)) {
            continue;
        }
        std::istringstream fields(line);
        std::uintptr_t begin = 0;
        std::uintptr_t end = 0;
        char dash = 0;
        std::string protection;
        fields >> std::hex >> begin >> dash >> end >> protection;
        for (; begin < end; begin += page_size) {
            pages[begin] = protection;
        }
    }
    return pages;
}

// Runs `work` in a forked child; gives the wait status (0: it returned 0). A child that hangs is
// killed by SIGALRM.
template <typename Work>
int status_in_child(Work work) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(5);
        ::_exit(work());
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
}

}  // namespace pythonnogil::shim
