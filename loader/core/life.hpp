// The ends of interpreters and of the runtime. An embedding program may end the runtime and start
// it again, with this library loaded all the time: what belonged to the first life must not get
// into the second.
//
// Thread-safety: to be called attached.
#pragma once

namespace pythonnogil::loader {

// Sees to it that nothing of the running interpreter is kept when it ends. To be called once for
// each copy of the native core. False with an exception set when CPython takes no callback.
bool follow_life();

}  // namespace pythonnogil::loader
