#pragma once

// Whether the name of an extension file says that it was built for another interpreter.
// Free-threaded CPython has its own object layout: a file for the GIL, or for the limited API
// (which has the layout of the GIL until 3.15's abi3t), crashes it. The import system itself looks
// only for names that fit, but a path given by hand reaches the loader unchecked. Thread-safety:
// pure function. Errors: none.

#include <optional>
#include <string>

namespace pythonnogil::policy {

struct AbiTag {
    int major;
    int minor;
    bool free_threaded;

    bool operator==(const AbiTag&) const = default;
};

// What is wrong with the file for an interpreter with this tag, as the rest of a sentence; nothing
// when the name fits or says nothing.
std::optional<std::string> abi_mismatch(const std::string& path, const AbiTag& interpreter);

}  // namespace pythonnogil::policy
