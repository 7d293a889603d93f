// Finds the function pointers that CPython holds and that lead into extensions, by reading
// CPython's own structures. It knows nothing of the hooks: it is the check on them.
//
// A pointer into the interpreter or into this library is left out. Of a thunk, the function behind
// it counts. A place in memory counts once, though many objects may lead there.
// Thread-safety: reads without locks what other threads may write, so run it where only one thread
// changes types and modules. Errors: ElfError, std::bad_alloc.
// It reads the structures of CPython's public headers only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "shim/compat.hpp"
#include "shim/elf_image.hpp"

namespace pythonnogil::shim {

struct HeldPointer {
    Py_ssize_t owner;   // the number that visit() was given
    const char* slot;   // lives for ever
    std::string image;  // path of the object that the function is in
    std::uintptr_t offset;
    bool guarded;
};

class EntryCensus {
  public:
    // What `object` itself holds: nothing but types, functions, descriptors, modules, capsules and
    // instances with a vectorcall pointer hold any. It runs no code of the object's.
    void visit(PyObject* object, Py_ssize_t owner);

    // What belongs to no object: hooks, allocators, profile and trace functions.
    void visit_process(Py_ssize_t owner);

    const std::vector<HeldPointer>& found() const { return found_; }

  private:
    void add(Py_ssize_t owner, const char* slot, void* function);
    template <typename Function>
    void read(Py_ssize_t owner, const char* slot, Function* const& place);
    void read_method(Py_ssize_t owner, const PyMethodDef* method);
    void read_methods(Py_ssize_t owner, const PyMethodDef* table);
    void read_getset(Py_ssize_t owner, const PyGetSetDef* getset);
    template <typename Suite>
    void read_suite(Py_ssize_t owner, const Suite* suite);
    void read_type(Py_ssize_t owner, const PyTypeObject* type);
    void read_module(Py_ssize_t owner, PyObject* module);
    void read_threads(Py_ssize_t owner);
    void read_allocators(Py_ssize_t owner);
    const ElfImage* image_of(const void* address);

    std::vector<HeldPointer> found_;
    std::set<const void*> places_;
    std::vector<ElfImage> images_;
};

}  // namespace pythonnogil::shim
