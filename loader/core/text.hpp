// C++ texts as Python strings, decoded as the file system's names are.
//
// Each gives a new reference, or null with an exception set.
#pragma once

#include <string_view>

#include "shim/compat.hpp"

namespace pythonnogil::loader {

inline PyObject* text(std::string_view value) {
    return PyUnicode_DecodeFSDefaultAndSize(value.data(), static_cast<Py_ssize_t>(value.size()));
}

// None for an empty text.
inline PyObject* text_or_none(std::string_view value) {
    return value.empty() ? Py_NewRef(Py_None) : text(value);
}

}  // namespace pythonnogil::loader
