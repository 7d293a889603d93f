#include "shim/interposer.hpp"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <stdexcept>
#include <system_error>

#include "shim/fork_mutex.hpp"

namespace pythonnogil::shim {
namespace {

// Protects: which read-only pages of any image are writable for the moment. Two threads that
// patch neighbouring slots would otherwise close a page under each other.
// Held across fork: a child forked while another thread patches would find it locked for ever.
std::mutex pages_mutex;

[[maybe_unused]] const int pages_mutex_is_held_across_fork = hold_across_fork<pages_mutex>();

struct PageRun {
    std::uintptr_t begin;
    std::uintptr_t end;
    bool open = false;
};

// The pages of the slots that became read-only after relocation, neighbours joined.
std::vector<PageRun> read_only_runs(const ElfImage& image, std::span<const PatchedSlot> slots) {
    const auto page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    std::vector<std::uintptr_t> pages;
    for (const PatchedSlot& slot : slots) {
        if (image.is_relro(slot.address)) {
            pages.push_back(reinterpret_cast<std::uintptr_t>(slot.address) & ~(page_size - 1));
        }
    }
    std::ranges::sort(pages);
    std::vector<PageRun> runs;
    for (const std::uintptr_t page : pages) {
        if (!runs.empty() && page <= runs.back().end) {
            runs.back().end = page + page_size;
        } else {
            runs.push_back({page, page + page_size});
        }
    }
    return runs;
}

// Makes RELRO pages writable for its lifetime. They were PROT_READ: that is what RELRO means.
class OpenPages {
  public:
    OpenPages(const ElfImage& image, std::vector<PageRun> runs)
        : image_(image), runs_(std::move(runs)) {}
    OpenPages(const OpenPages&) = delete;
    OpenPages& operator=(const OpenPages&) = delete;

    ~OpenPages() {
        for (PageRun& run : runs_) {
            if (run.open) {
                protect(run, PROT_READ);
            }
        }
    }

    void open() { change(true, PROT_READ | PROT_WRITE, "writable"); }
    void close() { change(false, PROT_READ, "read-only again"); }

  private:
    static bool protect(const PageRun& run, int protection) {
        return ::mprotect(reinterpret_cast<void*>(run.begin), run.end - run.begin, protection) == 0;
    }

    void change(bool open, int protection, const char* wanted) {
        for (PageRun& run : runs_) {
            if (run.open != open && !protect(run, protection)) {
                throw ElfError(image_.path(), std::string("cannot make its relocated data ") +
                                                  wanted + ": " +
                                                  std::generic_category().message(errno));
            }
            run.open = open;
        }
    }

    const ElfImage& image_;
    std::vector<PageRun> runs_;
};

void* read_slot(void** address) {
    return std::atomic_ref<void*>(*address).load(std::memory_order_relaxed);
}

// Relaxed is enough: the slot is one word, and what it points to is code that existed before.
void redirect(std::span<const PatchedSlot> slots) {
    for (const PatchedSlot& slot : slots) {
        std::atomic_ref<void*>(*slot.address).store(slot.replacement, std::memory_order_relaxed);
    }
}

void exchange(void** address, void* expected, void* desired) {
    std::atomic_ref<void*>(*address).compare_exchange_strong(expected, desired,
                                                             std::memory_order_relaxed);
}

void put_back(std::span<const PatchedSlot> slots) {
    for (const PatchedSlot& slot : slots) {
        exchange(slot.address, slot.replacement, slot.former);
    }
}

void redirect_again(std::span<const PatchedSlot> slots) {
    for (const PatchedSlot& slot : slots) {
        exchange(slot.address, slot.former, slot.replacement);
    }
}

using SlotWriter = void (*)(std::span<const PatchedSlot>);

// Applies `write`; if the pages cannot be closed after that, applies `undo` and throws.
void write_slots(const ElfImage& image, std::span<const PatchedSlot> slots, SlotWriter write,
                 SlotWriter undo) {
    if (slots.empty()) {
        return;
    }
    std::vector<PageRun> runs = read_only_runs(image, slots);
    const std::lock_guard lock(pages_mutex);
    OpenPages pages(image, std::move(runs));
    pages.open();
    write(slots);
    try {
        pages.close();
    } catch (const ElfError&) {
        pages.open();
        undo(slots);
        throw;
    }
}

void refuse_unpatchable(const ElfImage& image, const Import& import) {
    const std::string what = "its reference to " + std::string(import.name);
    if (import.kind == ImportKind::unsupported) {
        throw ElfError(image.path(), what + " (relocation type " +
                                         std::to_string(import.relocation) +
                                         ") cannot be redirected; rebuild it with -fPIC");
    }
    if (!image.is_writable(import.slot, sizeof(void*)) && !image.is_relro(import.slot)) {
        throw ElfError(image.path(),
                       what + " is inside its code (text relocation); rebuild it with -fPIC");
    }
    if (reinterpret_cast<std::uintptr_t>(import.slot) % alignof(void*) != 0) {
        throw ElfError(image.path(), what + " is stored unaligned; rebuild it without packed data");
    }
}

std::vector<PatchedSlot> find_slots(const ElfImage& image, const InterpositionTable& table) {
    std::vector<PatchedSlot> slots;
    image.for_each_import([&](const Import& import) {
        const Interposition* wanted = table.find(import.name);
        if (wanted == nullptr) {
            return;
        }
        refuse_unpatchable(image, import);
        if (import.kind == ImportKind::absolute && !wanted->in_data) {
            return;
        }
        void* former = read_slot(import.slot);
        if (former != nullptr && former != wanted->replacement) {
            slots.push_back({import.slot, former, wanted->replacement});
        }
    });
    return slots;
}

}  // namespace

InterpositionTable::InterpositionTable(std::span<const Interposition> wanted) {
    by_symbol_.reserve(wanted.size());
    for (const Interposition& item : wanted) {
        const std::string symbol(item.symbol);
        if (item.replacement == nullptr) {
            throw std::invalid_argument("interposed symbol " + symbol + " has no replacement");
        }
        if (!by_symbol_.emplace(item.symbol, item).second) {
            throw std::invalid_argument("interposed symbol " + symbol + " is named twice");
        }
    }
}

const Interposition* InterpositionTable::find(std::string_view symbol) const {
    const auto found = by_symbol_.find(symbol);
    return found == by_symbol_.end() ? nullptr : &found->second;
}

bool InterpositionTable::covers(const InterpositionTable& other) const {
    return this == &other || std::ranges::all_of(other.by_symbol_, [this](const auto& item) {
               return find(item.first) != nullptr;
           });
}

PatchedImage patch(const ElfImage& image, const InterpositionTable& table) {
    std::vector<PatchedSlot> slots = find_slots(image, table);
    write_slots(image, slots, redirect, put_back);
    return {image, std::move(slots)};
}

void PatchedImage::restore() {
    write_slots(image_, slots_, put_back, redirect_again);
    slots_.clear();
}

}  // namespace pythonnogil::shim
