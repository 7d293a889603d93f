#include "policy/abi_tag.hpp"

#include <regex>

namespace pythonnogil::policy {

namespace {

std::string build_from_source(const AbiTag& interpreter) {
    return "; build it from source for CPython " + std::to_string(interpreter.major) + "." +
           std::to_string(interpreter.minor) + (interpreter.free_threaded ? "t" : "");
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
    static const std::regex tagged(R"(\.cpython-(\d)(\d+)([a-z]*)-[^/]*\.so$)");
    std::smatch match;
    if (!std::regex_search(file, match, tagged))
        return std::nullopt;
    const bool fits = std::stoi(match[1]) == interpreter.major && std::stoi(match[2]) == interpreter.minor &&
                      match[3].str().find('t') != std::string::npos;
    if (fits)
        return std::nullopt;
    return "is built for CPython " + match[1].str() + "." + match[2].str() + match[3].str() +
           ", not for this free-threaded interpreter" + build_from_source(interpreter);
}

}  // namespace pythonnogil::policy
