// Redirects a loaded object's imports to functions of ours, by writing the slots that its calls
// go through. Nothing but the named object is affected.
//
// Thread-safety: patch and restore may be called from any thread, and while other threads run in
// the object: one process-wide mutex (interposer.cpp) covers the time in which pages are open, and
// is held across fork so that a child finds it free. One restriction: a slot that the dynamic
// linker has yet to bind lazily can be written by the linker after us, if another thread makes
// the first call at that moment. Load objects with RTLD_NOW.
// Errors: ElfError, with every slot as it was before the call.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "shim/elf_image.hpp"

namespace pythonnogil::shim {

struct Interposition {
    const char* symbol;  // must outlive the table
    void* replacement;
    bool in_data;  // also where the function's address is stored in initialised data
};

// The wanted symbols, hashed once and used for every image.
// Throws std::invalid_argument for a symbol that is named twice or has no replacement.
class InterpositionTable {
  public:
    explicit InterpositionTable(std::span<const Interposition> wanted);

    const Interposition* find(std::string_view symbol) const;

    // Whether every symbol of the other table is in this one too.
    bool covers(const InterpositionTable& other) const;

  private:
    std::unordered_map<std::string_view, Interposition> by_symbol_;
};

struct PatchedSlot {
    void** address;
    void* former;
    void* replacement;
};

// The slots of one image that were redirected. Destroying it leaves them redirected, because the
// object's code stays loaded and must stay guarded; restore() is the only way back.
class PatchedImage {
  public:
    PatchedImage(PatchedImage&&) = default;
    PatchedImage& operator=(PatchedImage&&) = default;
    PatchedImage(const PatchedImage&) = delete;
    PatchedImage& operator=(const PatchedImage&) = delete;
    ~PatchedImage() = default;

    // Puts the former values back, except where someone else has since written another value over
    // ours. The object must still be loaded. A second call does nothing.
    void restore();

    const ElfImage& image() const { return image_; }
    std::span<const PatchedSlot> slots() const { return slots_; }

  private:
    friend PatchedImage patch(const ElfImage& image, const InterpositionTable& table);
    PatchedImage(const ElfImage& image, std::vector<PatchedSlot> slots)
        : image_(image), slots_(std::move(slots)) {}

    ElfImage image_;
    std::vector<PatchedSlot> slots_;
};

// Redirects the image's imports that the table names. Refuses (ElfError) an image that refers to
// one of them from its code (text relocations) or in a way that cannot be redirected. Leaves alone
// a weak import that nothing provides, so that the object's own test for it stays true.
PatchedImage patch(const ElfImage& image, const InterpositionTable& table);

}  // namespace pythonnogil::shim
