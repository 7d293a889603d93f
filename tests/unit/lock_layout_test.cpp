// What the costs of the lock rest on; nothing here runs.

#include <cstddef>
#include <type_traits>

#include "pythonnogil/shared_exclusive_lock.hpp"

namespace pythonnogil {
namespace {

using Record = ReaderSlots::Record;

// Two threads never write to one line when they announce themselves.
static_assert(alignof(Record) == cache_line);
static_assert(sizeof(Record) % cache_line == 0);

// A writer that scans reads one line of each thread that has announced nothing.
static_assert(offsetof(Record, entries) == 0);
static_assert(offsetof(Record, next) + sizeof(void*) <= cache_line);
static_assert(offsetof(Record, others) + sizeof(std::uint32_t) <= cache_line);
static_assert(offsetof(Record, primary) >= cache_line);

// All that an exclusive lock and unlock touch is in one line.
static_assert(sizeof(SharedExclusiveLock) == cache_line);
static_assert(alignof(SharedExclusiveLock) == cache_line);

static_assert(std::atomic<const void*>::is_always_lock_free);
static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(int), "a futex is an int");

static_assert(std::is_default_constructible_v<SharedExclusiveLock>);
static_assert(!std::is_copy_constructible_v<SharedExclusiveLock>);
static_assert(!std::is_move_constructible_v<SharedExclusiveLock>);
static_assert(std::is_trivially_destructible_v<SharedExclusiveLock>);

}  // namespace
}  // namespace pythonnogil
