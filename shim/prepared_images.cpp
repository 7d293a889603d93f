#include "shim/prepared_images.hpp"

#include <dlfcn.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>

#include "shim/log.hpp"

namespace pythonnogil::shim {

namespace {

// Covers dlopen and patching. A constructor that runs inside dlopen may import another extension,
// so the owner may enter again; and it may detach, so a thread waits for the lock detached, lest it
// keep the world from being stopped.
class LoaderLock {
  public:
    LoaderLock() {
        Shared& lock = shared();
        if (lock.owner != pthread_self()) {
            PyThreadState* const thread = PyEval_SaveThread();
            lock.mutex.lock();
            lock.owner = pthread_self();
            PyEval_RestoreThread(thread);
        }
        ++lock.depth;
    }
    ~LoaderLock() {
        Shared& lock = shared();
        if (--lock.depth == 0) {
            lock.owner = pthread_t{};
            lock.mutex.unlock();
        }
    }
    LoaderLock(const LoaderLock&) = delete;
    LoaderLock& operator=(const LoaderLock&) = delete;

  private:
    // Not a recursive mutex: that knows its owner by a number that changes in the child of a fork.
    struct Shared {
        std::mutex mutex;
        std::atomic<pthread_t> owner{};  // whoever reads its own number here wrote it
        unsigned depth = 0;              // the owner's
    };

    // Never destroyed: threads may import while the process ends.
    static Shared& shared() {
        static auto* const instance = new Shared;
        static const int registered = pthread_atfork(nullptr, nullptr, after_fork_in_child);
        (void)registered;
        return *instance;
    }

    // The thread that was inside is not in the child, unless it is the one that forked.
    static void after_fork_in_child() {
        Shared& lock = shared();
        if (lock.owner == pthread_self())
            return;
        std::construct_at(&lock.mutex);
        lock.owner = pthread_t{};
        lock.depth = 0;
    }
};

// An image with redirected imports, and how many preparations want it so: those under way, and
// those kept.
struct SharedPatch {
    PatchedImage patched;
    const InterpositionTable* table;
    std::size_t users;
};

// Redirects more imports of an image that was wanted for less until now: a module of it, loaded
// unguarded before, is followed by one to be guarded.
void extend(SharedPatch& patch_so_far, const ElfImage& image, const InterpositionTable& table) {
    patch_so_far.patched.restore();
    try {
        patch_so_far.patched = patch(image, table);
        patch_so_far.table = &table;
        log_debug("redirected " + std::to_string(patch_so_far.patched.slots().size()) +
                  " imports of " + image.path() + " anew");
    } catch (...) {
        patch_so_far.patched = patch(image, *patch_so_far.table);
        throw;
    }
}

// What is known of the images of this process, by base address. Guarded by LoaderLock.
struct KnownImages {
    std::map<std::uintptr_t, SharedPatch> patched;
    // Nothing of these is in the table.
    std::map<std::uintptr_t, const InterpositionTable*> without_imports;

    bool has_no_imports(const ElfImage& image, const InterpositionTable& table) const {
        const auto place = without_imports.find(image.base());
        return place != without_imports.end() && place->second->covers(table);
    }
};

KnownImages& known_images() {
    static auto* const instance = new KnownImages;
    return *instance;
}

bool is_trusted(const ElfImage& image) {
    return image.contains(reinterpret_cast<const void*>(&PyType_Ready)) ||
           image.contains(reinterpret_cast<const void*>(&known_images));
}

void* load(const std::string& path, int flags) {
    // As CPython does it: a bare name is a file of the current directory, not one to search for.
    const std::string file = path.find('/') == std::string::npos ? "./" + path : path;
    void* const handle = dlopen(file.c_str(), flags);
    if (handle == nullptr) {
        const char* const error = dlerror();
        throw LoadError(error == nullptr ? file + ": unknown dlopen() error" : error);
    }
    return handle;
}

}  // namespace

PreparedImages::PreparedImages(const std::string& path, int flags,
                               const InterpositionTable& table) {
    const LoaderLock lock;
    try {
        handle_ = load(path, flags);
        prepare(ElfImage::from_handle(handle_), table);
    } catch (...) {
        release();
        throw;
    }
}

void PreparedImages::prepare(const ElfImage& image, const InterpositionTable& table) {
    const bool visited = std::ranges::any_of(
        images_, [&](const ElfImage& other) { return other.base() == image.base(); });
    if (visited || is_trusted(image) || known_images().has_no_imports(image, table))
        return;
    images_.push_back(image);
    redirect(image, table);
    for (const ElfImage& dependency : image.dependencies())
        prepare(dependency, table);
}

void PreparedImages::redirect(const ElfImage& image, const InterpositionTable& table) {
    KnownImages& known = known_images();
    auto place = known.patched.find(image.base());
    if (place == known.patched.end()) {
        PatchedImage patched = patch(image, table);
        if (patched.slots().empty()) {
            known.without_imports.insert_or_assign(image.base(), &table);
            return;
        }
        log_debug("redirected " + std::to_string(patched.slots().size()) + " imports of " +
                  image.path());
        place =
            known.patched.emplace(image.base(), SharedPatch{std::move(patched), &table, 0}).first;
    } else if (!place->second.table->covers(table)) {
        extend(place->second, image, table);
    }
    ++place->second.users;
    used_.push_back(image.base());
}

void PreparedImages::release() {
    KnownImages& known = known_images();
    for (const std::uintptr_t base : used_) {
        const auto place = known.patched.find(base);
        if (--place->second.users == 0) {
            place->second.patched.restore();
            known.patched.erase(place);
        }
    }
    used_.clear();
}

PreparedImages::~PreparedImages() {
    if (kept_)
        return;
    const LoaderLock lock;
    release();
}

std::vector<ElfImage> PreparedImages::redirected() const {
    std::vector<ElfImage> redirected;
    std::ranges::copy_if(images_, std::back_inserter(redirected), [&](const ElfImage& image) {
        return std::ranges::find(used_, image.base()) != used_.end();
    });
    return redirected;
}

bool PreparedImages::imports(const char* function) const {
    return std::ranges::any_of(images_,
                               [&](const ElfImage& image) { return image.imports(function); });
}

}  // namespace pythonnogil::shim
