#include "loader/core/errors.hpp"

#include <exception>
#include <new>

namespace pythonnogil::loader {

void set_import_error(const std::string& message, const std::string& name,
                      const std::string& path) {
    PyObject* text = PyUnicode_DecodeFSDefault(message.c_str());
    PyObject* module = PyUnicode_FromString(name.c_str());
    PyObject* file = PyUnicode_DecodeFSDefault(path.c_str());
    if (text != nullptr && module != nullptr && file != nullptr)
        PyErr_SetImportError(text, module, file);
    Py_XDECREF(text);
    Py_XDECREF(module);
    Py_XDECREF(file);
}

void translate_exception(const std::string& name, const std::string& path) {
    if (PyErr_Occurred() != nullptr)
        return;
    try {
        throw;
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    } catch (const std::exception& error) {
        set_import_error(error.what(), name, path);
    }
}

}  // namespace pythonnogil::loader
