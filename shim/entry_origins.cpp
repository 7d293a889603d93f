#include "shim/entry_origins.hpp"

#include <map>
#include <mutex>
#include <optional>

#include "shim/elf_image.hpp"
#include "shim/fork_mutex.hpp"
#include "shim/import_in_progress.hpp"

namespace pythonnogil::shim::entry_origins {

namespace {

std::mutex mutex;  // guards known()

[[maybe_unused]] const int mutex_is_held_across_fork = hold_across_fork<mutex>();

struct Known {
    std::map<std::string, std::string> modules;  // by path
    std::optional<ElfImage> last_image;          // entries of one module follow each other
};

// Never destroyed: modules may be imported while the process ends.
Known& known() {
    static auto* const instance = new Known;
    return *instance;
}

// Asks the dynamic linker outside the mutex: a fork takes all mutexes in an order of its own.
std::optional<ElfImage> image_of(const void* address) {
    {
        const std::lock_guard lock(mutex);
        if (const auto& last = known().last_image; last && last->contains(address))
            return last;
    }
    auto image = ElfImage::containing(address);
    if (image) {
        const std::lock_guard lock(mutex);
        known().last_image = image;
    }
    return image;
}

}  // namespace

void note(const std::string& path, const std::string& module) {
    const std::lock_guard lock(mutex);
    known().modules[path] = module;
}

EntryOrigin find(const void* function, const void* site) {
    if (const ImportInProgress* import = ImportInProgress::current())
        return {site, import->name(), import->path()};
    const auto image = image_of(site == nullptr ? function : site);
    if (!image)
        return {site};
    const std::lock_guard lock(mutex);
    const auto module = known().modules.find(image->path());
    return {site, module == known().modules.end() ? "" : module->second, image->path()};
}

}  // namespace pythonnogil::shim::entry_origins
