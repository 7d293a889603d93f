// Types that were made in the guarded call that is still running.
//
// Legacy code may fill in a slot after PyType_FromSpec or PyType_Ready, because the slot has no
// number or did not have one in its day (tp_vectorcall, the buffer slots). No C-API function sees
// that, so fresh types are looked at once more when the outermost call returns: before that, only
// the thread that made them is likely to know them.
//
// Thread-safety: a list for each thread. Errors: remember() throws std::bad_alloc; a slot for which
// there is no thunk left is logged.
#pragma once

#include "shim/compat.hpp"

namespace pythonnogil::shim::fresh_types {

// Outside a guarded call it does nothing.
void remember(PyTypeObject* type);

// Called by the outermost hold while it still holds.
void finish();

}  // namespace pythonnogil::shim::fresh_types
