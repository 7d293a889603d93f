// Members of legacy types: fields of the C structure that CPython reads and writes by itself, from
// descriptions (PyMemberDef).
//
// No legacy code runs there, yet it may be in the middle of replacing such a field, or of using the
// object in it. So these descriptions are marked, and reading and writing a marked member enters
// the guard, as a getter or setter would. The mark is in bits of the flags that mean nothing to
// CPython, which copies them along.
//
// Thread-safety: as for guarded_tables.hpp. Errors: ThunkPoolExhausted. Not seen: a descriptor whose
// __get__ is called by its name; and CPython 3.14 and later, once they have specialised the place
// where a member of type Py_T_OBJECT_EX is read.
#pragma once

#include "shim/compat.hpp"

namespace pythonnogil::shim {

// The table to use, as for guard_methods(). `site` is an address in the module whose type it is.
PyMemberDef* guard_members(PyMemberDef* table, const char* type_name, const void* site);

}  // namespace pythonnogil::shim
