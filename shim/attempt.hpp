// Where the shim's C++ errors become Python exceptions: inside an interposed function, whose caller
// is C.
#pragma once

#include <exception>

#include "shim/compat.hpp"

namespace pythonnogil::shim {

// Runs `body`, which calls neither the interpreter nor legacy code. False, with ImportError set,
// when it threw.
template <typename Body>
bool attempt(Body&& body) {
    try {
        body();
        return true;
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_ImportError, error.what());
        return false;
    }
}

}  // namespace pythonnogil::shim
