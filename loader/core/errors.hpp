// Where C++ errors become Python exceptions, once, at the boundary.
#pragma once

#include <cxxabi.h>

#include <string>

#include "shim/compat.hpp"

namespace pythonnogil::loader {

// Sets the Python exception for the C++ exception being handled. Keeps an exception that is set
// already.
void translate_exception(const std::string& name, const std::string& path);

// Runs `body`, which returns a new reference or null with an exception set.
template <typename Body>
PyObject* at_boundary(const std::string& name, const std::string& path, Body&& body) {
    try {
        return body();
    } catch (abi::__forced_unwind&) {
        // CPython before 3.13.8 ends a thread at shutdown by unwinding it; that must go on.
        throw;
    } catch (...) {
        translate_exception(name, path);
        return nullptr;
    }
}

}  // namespace pythonnogil::loader
