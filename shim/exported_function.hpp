// Functions that CPython looks up in a loaded file by name: what dlsym finds there, replaced.
//
// The symbol in the file's own table is given another address, for good: whoever looks it up later,
// in whichever interpreter, finds the replacement too. No other file is affected.
//
// Thread-safety: any thread; one process-wide mutex, held across fork so that a child finds it
// free. Errors: ElfError, with the symbol as it was.
#pragma once

#include <string>

namespace pythonnogil::shim {

// The function that `symbol` names in the file behind a dlopen handle, or null when there is none.
// From now on dlsym finds `replacement` there. The file must stay loaded.
void* replace_exported_function(void* handle, const std::string& symbol, void* replacement);

}  // namespace pythonnogil::shim
