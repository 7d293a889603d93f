#include "loader/core/entries.hpp"

#include <dlfcn.h>

#include <exception>
#include <string>
#include <vector>

#include "shim/elf_image.hpp"

#ifdef Py_GIL_DISABLED
#include "shim/entry_census.hpp"
#endif

namespace pythonnogil::loader {

namespace {

// Appends what the reference `item` refers to, and drops it. False with an exception set.
bool append(PyObject* list, PyObject* item) {
    const bool appended = item != nullptr && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    return appended;
}

// A list of what `add_all(list)` appends; null with an exception set when that fails.
template <typename AddAll>
PyObject* make_list(AddAll add_all) {
    PyObject* list = PyList_New(0);
    if (list == nullptr)
        return nullptr;
    bool complete = false;
    try {
        complete = add_all(list);
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
    }
    if (!complete)
        Py_CLEAR(list);
    return list;
}

class LoadedFile {
  public:
    explicit LoadedFile(const char* path) : handle_(::dlopen(path, RTLD_LAZY | RTLD_NOLOAD)) {}
    ~LoadedFile() {
        if (handle_ != nullptr)
            ::dlclose(handle_);
    }
    LoadedFile(const LoadedFile&) = delete;
    LoadedFile& operator=(const LoadedFile&) = delete;

    void* handle() const { return handle_; }

  private:
    void* handle_;
};

bool add_imports(PyObject* list, const char* path) {
    const LoadedFile file(path);
    if (file.handle() == nullptr) {
        PyErr_Format(PyExc_ValueError, "pythonnogil: %s is not loaded", path);
        return false;
    }
    const auto own = shim::ElfImage::containing(reinterpret_cast<const void*>(&loaded_imports));
    bool complete = true;
    shim::ElfImage::from_handle(file.handle()).for_each_import([&](const shim::Import& import) {
        const bool redirected = own && own->contains(*import.slot);
        const bool in_data = import.kind == shim::ImportKind::absolute;
        complete =
            complete && append(list, Py_BuildValue("(s#OO)", import.name.data(),
                                                   static_cast<Py_ssize_t>(import.name.size()),
                                                   redirected ? Py_True : Py_False,
                                                   in_data ? Py_True : Py_False));
    });
    return complete;
}

#ifdef Py_GIL_DISABLED
bool add_pointers(PyObject* list, PyObject* objects) {
    shim::EntryCensus census;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(objects); ++i)
        census.visit(PyList_GET_ITEM(objects, i), i);
    census.visit_process(-1);
    for (const shim::HeldPointer& held : census.found()) {
        PyObject* image = PyUnicode_DecodeFSDefault(held.image.c_str());
        if (!append(list, Py_BuildValue("(nsNKO)", held.owner, held.slot, image,
                                        static_cast<unsigned long long>(held.offset),
                                        held.guarded ? Py_True : Py_False)))
            return false;
    }
    return true;
}
#else
bool add_pointers(PyObject*, PyObject*) {
    return true;
}
#endif

}  // namespace

PyObject* function_pointers(PyObject*, PyObject* objects) {
    if (!PyList_Check(objects)) {
        PyErr_SetString(PyExc_TypeError, "function_pointers() takes a list of objects");
        return nullptr;
    }
    return make_list([&](PyObject* list) { return add_pointers(list, objects); });
}

PyObject* loaded_imports(PyObject*, PyObject* path) {
    PyObject* bytes = nullptr;
    if (PyUnicode_FSConverter(path, &bytes) == 0)
        return nullptr;
    PyObject* made =
        make_list([&](PyObject* list) { return add_imports(list, PyBytes_AS_STRING(bytes)); });
    Py_DECREF(bytes);
    return made;
}

}  // namespace pythonnogil::loader
