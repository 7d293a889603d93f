// Tables of legacy modules are changed where they are, but for those in read-only memory, which get
// a copy.
//
// Thread-safety: any thread. Errors: std::bad_alloc; a failed allocation leaves the table as it
// was.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <mutex>

namespace pythonnogil::shim {

bool is_writable(const void* address, std::size_t bytes);

// Copies of tables in read-only memory, by original. The same original gives the same copy.
template <typename Item>
Item* writable_copy(const Item* table, std::size_t count) {
    static std::mutex mutex;
    static auto* const copies = new std::map<const Item*, Item*>;
    const std::lock_guard lock(mutex);
    Item*& copy = (*copies)[table];
    if (copy == nullptr) {
        copy = new Item[count];
        std::copy_n(table, count, copy);
    }
    return copy;
}

// The table itself, or a copy that lives for ever.
template <typename Item>
Item* writable_table(Item* table, std::size_t count) {
    return is_writable(table, count * sizeof(Item)) ? table : writable_copy(table, count);
}

}  // namespace pythonnogil::shim
