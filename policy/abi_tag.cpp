#include "policy/abi_tag.hpp"

#include <string_view>

namespace pythonnogil::policy {

namespace {

std::string build_from_source(const AbiTag& interpreter) {
    return "; build it from source for CPython " + std::to_string(interpreter.major) + "." +
           std::to_string(interpreter.minor) + (interpreter.free_threaded ? "t" : "");
}

// The tag in a name like m.cpython-313t-x86_64-linux-gnu.so: one digit of the major version, the
// minor version, then letters of which t means free-threaded.
std::optional<AbiTag> tag_of(const std::string& file) {
    constexpr std::string_view marker = ".cpython-";
    const std::size_t start = file.find(marker);
    if (start == std::string::npos || !file.ends_with(".so"))
        return std::nullopt;
    const std::size_t digits = start + marker.size();
    const std::size_t letters = file.find_first_not_of("0123456789", digits);
    const std::size_t end = file.find('-', digits);
    if (letters == std::string::npos || end == std::string::npos || letters < digits + 2 ||
        letters > digits + 4 || end < letters)
        return std::nullopt;
    const std::size_t free_threaded = file.find('t', letters);
    return AbiTag{file[digits] - '0', std::stoi(file.substr(digits + 1, letters - digits - 1)),
                  free_threaded < end};
}

}  // namespace

std::optional<std::string> abi_mismatch(const std::string& path, const AbiTag& interpreter) {
    // With a GIL, an unfit file at worst fails to load.
    if (!interpreter.free_threaded)
        return std::nullopt;
    const std::string file = path.substr(path.find_last_of('/') + 1);
    if (file.ends_with(".abi3.so"))
        return "is built for the limited API with a GIL (.abi3.so), whose object layout this "
               "free-threaded interpreter does not have" +
               build_from_source(interpreter);
    const auto built_for = tag_of(file);
    if (!built_for || *built_for == interpreter)
        return std::nullopt;
    return "is built for CPython " + std::to_string(built_for->major) + "." +
           std::to_string(built_for->minor) + (built_for->free_threaded ? "t" : "") +
           ", not for this free-threaded interpreter" + build_from_source(interpreter);
}

}  // namespace pythonnogil::policy
