// Replaces the function pointers that legacy code hands to CPython by thunks, in the very tables
// where CPython looks for them: objects keep their identity, type, documentation and signature.
//
// Pointers into the interpreter, null pointers and thunks stay as they are, so guarding a table
// twice is harmless. tp_traverse and tp_is_gc are never guarded: the collector calls them with the
// world stopped.
//
// Thread-safety: a table is guarded before CPython reads it, by the thread that registers it.
// Errors: ThunkPoolExhausted.
#pragma once

#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim {

// The thunk to use instead of `function`, or `function` itself when it needs none.
void* guarded(void* function, EntryKind kind, const char* name);

template <typename Function>
Function guarded_function(Function function, EntryKind kind, const char* name) {
    return reinterpret_cast<Function>(guarded(reinterpret_cast<void*>(function), kind, name));
}

// Each returns the table to use: the given one, changed in place, or a copy that lives for ever
// when the given one is in read-only memory. Null passes.
PyMethodDef* guard_methods(PyMethodDef* table);
PyMethodDef* guard_method(PyMethodDef* method);
PyGetSetDef* guard_getsets(PyGetSetDef* table);
PyGetSetDef* guard_getset(PyGetSetDef* getset);

ternaryfunc guard_call_slot(ternaryfunc call);

// A static type, or a heap type filled in by hand, before PyType_Ready, and those of its bases that
// are not ready either: CPython readies them along with it. Does nothing for a type that is ready.
void guard_type(PyTypeObject* type);

// What can be done only when the type has inherited: calls that go through a pointer in the
// instance (vectorcall) are sent through tp_call, and memory is given back through the quarantine.
void guard_ready_type(PyTypeObject* type);

}  // namespace pythonnogil::shim
