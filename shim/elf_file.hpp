// An extension's file on disk, examined before the dynamic linker maps it: a truncated file would
// be a SIGBUS there, and a file of another Python ABI a crash later.
//
// Thread-safety: no shared state; the file is read with pread, so that one that changes at the
// same time gives an error and never a signal.
// Errors: ElfError, for a malformed file as well as for one that cannot be read.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "shim/elf_native.hpp"

namespace pythonnogil::shim {

// Returns if the file is a shared object of this machine with everything its program headers
// promise, so that the dynamic linker can map and read it.
void check_elf_file(const std::filesystem::path& path);

// The undefined symbols that the file's relocations refer to, each once, in symbol-table order.
// Does all that check_elf_file does, first.
std::vector<std::string> imported_symbols(const std::filesystem::path& path);

}  // namespace pythonnogil::shim
