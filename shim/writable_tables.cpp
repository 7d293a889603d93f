#include "shim/writable_tables.hpp"

#include <vector>

#include "shim/elf_image.hpp"

namespace pythonnogil::shim {

namespace {

// The images in which tables were found. They stay loaded, so what was found once is found again
// without asking the dynamic linker, which takes microseconds.
class TableImages {
  public:
    // Memory outside of all images is the heap's, and writable.
    bool is_writable(const void* address, std::size_t bytes) {
        const std::lock_guard lock(mutex_);
        auto known = std::ranges::find_if(
            images_, [&](const ElfImage& image) { return image.contains(address); });
        if (known == images_.end()) {
            const auto found = ElfImage::containing(address);
            if (!found)
                return true;
            known = images_.insert(images_.end(), *found);
        }
        return known->is_writable(address, bytes);
    }

  private:
    std::mutex mutex_;  // never held while Python code runs
    std::vector<ElfImage> images_;
};

}  // namespace

bool is_writable(const void* address, std::size_t bytes) {
    static auto* const images = new TableImages;
    return images->is_writable(address, bytes);
}

}  // namespace pythonnogil::shim
