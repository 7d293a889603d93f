// Loads an extension file ahead of CPython and redirects its C-API imports, and those of the
// private libraries it brings along.
//
// CPython's own dlopen of the same file, with the same flags, then gets the same object. An object
// is never unloaded again, as CPython never unloads one.
//
// Thread-safety: any attached thread; one process-wide lock, for which threads wait detached,
// covers loading. Errors: LoadError when the dynamic linker refuses the file, ElfError when the
// file can not be patched. Then no import of it is redirected.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "shim/compat.hpp"
#include "shim/interposer.hpp"

namespace pythonnogil::shim {

class LoadError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

class PreparedImages {
  public:
    // `flags` are those of CPython's dlopen.
    PreparedImages(const std::string& path, int flags, const InterpositionTable& table);
    PreparedImages(const PreparedImages&) = delete;
    PreparedImages& operator=(const PreparedImages&) = delete;
    // Puts back what nobody else wants redirected, unless keep() was called.
    ~PreparedImages();

    // What dlopen returned for the file.
    void* handle() const { return handle_; }

    // Whether the file or one of its private libraries imports the function.
    bool imports(const char* function) const;

    // Those of the file and its private libraries that call the C API.
    std::vector<ElfImage> redirected() const;

    // Leaves everything redirected for good: the file holds a legacy module.
    void keep() { kept_ = true; }

  private:
    void prepare(const ElfImage& image, const InterpositionTable& table);
    void redirect(const ElfImage& image, const InterpositionTable& table);
    void release();

    void* handle_ = nullptr;
    std::vector<ElfImage> images_;
    std::vector<std::uintptr_t>
        used_;  // bases of the redirected images that this preparation counts on
    bool kept_ = false;
};

}  // namespace pythonnogil::shim
