#include "loader/core/errors.hpp"

#include <exception>
#include <new>

#include "shim/import_in_progress.hpp"

namespace pythonnogil::loader {

void translate_exception(const std::string& name, const std::string& path) {
    if (PyErr_Occurred() != nullptr)
        return;
    try {
        throw;
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    } catch (const std::exception& error) {
        shim::set_import_error(error.what(), name, path);
    }
}

}  // namespace pythonnogil::loader
