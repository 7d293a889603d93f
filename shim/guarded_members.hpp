// Members of legacy types: fields of the C structure that CPython reads and writes by itself, from
// descriptions (PyMemberDef).
//
// No legacy code runs there, yet it may be in the middle of replacing such a field, or of using the
// object in it. So their descriptors get descriptions that are marked, and reading and writing a
// marked member enters the guard, as a getter or setter would. The mark is in bits of the flags
// that mean nothing to CPython. The type's own table, which legacy code may look at, stays as it
// is.
//
// Thread-safety: as for guarded_tables.hpp. Errors: ThunkPoolExhausted. Not seen: a descriptor
// whose __get__ is called by its name; and CPython 3.14 and later, once they have specialised the
// place where a member of type Py_T_OBJECT_EX is read.
#pragma once

#include "shim/compat.hpp"

namespace pythonnogil::shim {

// Of a type that is ready, and those of its bases, which may have been readied along with it.
void guard_members_of(PyTypeObject* type);

// Of a type that CPython will ready by itself: a marked copy of its table, to be put in its place.
// The same table gives the same copy, which lives for ever.
PyMemberDef* guard_members(PyMemberDef* table, const char* type_name);

}  // namespace pythonnogil::shim
