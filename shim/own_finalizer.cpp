#include "shim/own_finalizer.hpp"

#include <unwind.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>

#include "shim/elf_image.hpp"
#include "shim/guarded_tables.hpp"

namespace pythonnogil::shim::own_finalizer {

namespace {

enum class Finding : std::uint8_t { unknown, looks, does_not };

// By the number of the entry. Whoever finds it out first writes what everybody would.
std::atomic<Finding> findings[thunk_count];

thread_local constinit const Call* innermost __attribute__((tls_model("initial-exec"))) = nullptr;

#if defined(__x86_64__)

// Longer functions are not looked at to their end.
constexpr std::size_t longest_function = 16384;

// Where `lea register, [rip + offset]` at this place leads to, or null for another instruction.
const unsigned char* address_taken_at(const unsigned char* place) {
    const bool is_lea = (place[0] & 0xFB) == 0x48 && place[1] == 0x8D && (place[2] & 0xC7) == 0x05;
    if (!is_lea)
        return nullptr;
    std::int32_t offset = 0;
    std::memcpy(&offset, place + 3, sizeof offset);
    return place + 7 + offset;
}

// Instructions have no boundaries that could be seen here. Other bytes that happen to look like one
// with this very address are next to impossible.
bool takes_own_address(const unsigned char* function, const ElfImage& image) {
    for (const unsigned char* place = function; place < function + longest_function; ++place) {
        if (!image.contains(place + 7))
            return false;
        if (address_taken_at(place) == function)
            return _Unwind_FindEnclosingFunction(const_cast<unsigned char*>(place)) == function;
    }
    return false;
}

#else

// Not looked for: then the order of a finalizer and other parts of a deallocation can differ.
bool takes_own_address(const unsigned char*, const ElfImage&) {
    return true;
}

#endif

// Only code that can call finalizers can miss one; and our own deallocator of subclasses does not.
bool find_out(const Entry& entry) {
    const auto* const function = reinterpret_cast<const unsigned char*>(entry.function);
    if (is_trusted_code(function))
        return false;
    const std::optional<ElfImage> image = ElfImage::containing(function);
    return image && image->imports("PyObject_CallFinalizerFromDealloc") &&
           takes_own_address(function, *image);
}

}  // namespace

bool looks_for_itself(const Entry& entry) {
    std::atomic<Finding>& finding = findings[thunk_pool::index_of(entry)];
    if (finding.load(std::memory_order_relaxed) == Finding::unknown)
        finding.store(find_out(entry) ? Finding::looks : Finding::does_not,
                      std::memory_order_relaxed);
    return finding.load(std::memory_order_relaxed) == Finding::looks;
}

Call::Call(PyObject* object)
    : object_(object), outer_(innermost), revived_(PyObject_CallFinalizerFromDealloc(object) < 0) {
    innermost = this;
}

Call::~Call() {
    innermost = outer_;
}

bool was_called_for(const PyObject* object) {
    for (const Call* call = innermost; call != nullptr; call = call->outer()) {
        if (call->object() == object)
            return true;
    }
    return false;
}

}  // namespace pythonnogil::shim::own_finalizer
