// For hooks that take a callback.
#pragma once

#include "shim/attempt.hpp"
#include "shim/guarded_tables.hpp"

namespace pythonnogil::shim::hooks {

// Replaces a callback by its thunk. False, with an exception set, when there is none left.
template <typename Function>
bool guard_callback(Function& function, const char* name, EntryKind kind = EntryKind::plain) {
    return attempt([&] { function = guarded_function(function, kind, EntryName(name)); });
}

}  // namespace pythonnogil::shim::hooks
