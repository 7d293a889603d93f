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

#include "shim/compat.hpp"
#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim {

// What policy and reports call a function, and whether its first argument is the object that it is
// called on. A callback has a description for a name.
struct EntryName {
    explicit EntryName(const char* description) : function(description) {}
    EntryName(const char* type_name, const char* function_name, std::int8_t failure_result = 0)
        : type(type_name), function(function_name), has_receiver(true), failure(failure_result) {}

    const char* type = nullptr;  // tp_name; null for a function of a module
    const char* function;
    bool has_receiver = false;
    std::int8_t failure = 0;  // see Guarding
    thunk_pool::NameOf name_of = thunk_pool::NameOf::slot;
};

// The thunk to use instead of `function`, or `function` itself when it needs none. `site` is an
// address in the module that registers it, when that is not the function's own.
void* guarded(void* function, EntryKind kind, const EntryName& name, const void* site = nullptr);

template <typename Function>
Function guarded_function(Function function, EntryKind kind, const EntryName& name) {
    return reinterpret_cast<Function>(guarded(reinterpret_cast<void*>(function), kind, name));
}

// Each returns the table to use: the given one, changed in place, or a copy that lives for ever
// when the given one is in read-only memory. Null passes. `type_name` is null for the functions of
// a module.
PyMethodDef* guard_methods(PyMethodDef* table, const char* type_name);
PyMethodDef* guard_method(PyMethodDef* method, const char* type_name);
PyGetSetDef* guard_getsets(PyGetSetDef* table, const char* type_name);
PyGetSetDef* guard_getset(PyGetSetDef* getset, const char* type_name);

// The function that a slot wrapper calls, or else the one that stands between: what that one makes
// of `wrapped` is its own affair.
void guard_wrapper(wrapperbase*& base, void*& wrapped, const char* type_name);

// Code of the interpreter or of this library, which is never legacy. Null is nobody's.
bool is_trusted_code(const void* address);

// `site` is an address in the module whose type it is, its tables for instance.
ternaryfunc guard_call_slot(ternaryfunc call, const char* type_name, const void* site);

// A static type, or a heap type filled in by hand, before PyType_Ready, and those of its bases that
// are not ready either: CPython readies them along with it. Does nothing for a type that is ready.
void guard_type(PyTypeObject* type);

// What can be done only when the type has inherited: calls that go through a pointer in the
// instance (vectorcall) are sent through tp_call, and memory is given back through the quarantine.
void guard_ready_type(PyTypeObject* type);

// What the slots of a ready type were. Old code fills in some only after the type was made, so they
// are looked at once more.
class TypeSnapshot {
  public:
    explicit TypeSnapshot(PyTypeObject* type);

    // Guards what has been put into the type since.
    void guard_changes() const;

    PyTypeObject* type() const { return type_; }

  private:
    PyTypeObject* type_;
    PyTypeObject slots_;
    PyNumberMethods number_{};
    PySequenceMethods sequence_{};
    PyMappingMethods mapping_{};
    PyAsyncMethods async_{};
    PyBufferProcs buffer_{};
};

}  // namespace pythonnogil::shim
