// Names for addresses of code, read from the files themselves: dladdr() waits for the lock of the
// dynamic linker, which a thread that is stuck may hold, and knows no static functions.
//
// Thread-safety: an object belongs to one thread. Errors: none; what is not known is left out.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace pythonnogil::shim {

class Symbols {
  public:
    // Reads what is mapped at this moment.
    Symbols();

    // The file that the address lies in; empty when it is none.
    std::string file_of(std::uintptr_t address) const;

    // "function+0x12 (file+0x3456)", as far as it is known.
    std::string describe(std::uintptr_t address);

  private:
    struct Mapping {
        std::uintptr_t begin;
        std::uintptr_t end;
        std::uint64_t offset;  // in the file
        std::string file;
    };
    struct Function {
        std::uint64_t begin;
        std::uint64_t size;
        std::uint64_t name;  // where it begins in the names
    };
    struct File {
        std::vector<Function> functions;
        std::vector<char> names;
        struct Segment {
            std::uint64_t offset;
            std::uint64_t address;
            std::uint64_t size;
        };
        std::vector<Segment> segments;
    };

    const Mapping* mapping_of(std::uintptr_t address) const;
    const File& contents_of(const std::string& path);
    static File read(const std::string& path);

    std::vector<Mapping> mappings_;
    std::map<std::string, File> files_;
};

}  // namespace pythonnogil::shim
