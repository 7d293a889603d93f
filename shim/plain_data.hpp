// Tells whether a call into CPython may run Python code, by the objects that it is about.
//
// A guess for the sake of fairness: the items of a container are not looked at. If they run code
// after all, whoever waits for the guard waits a little longer.
//
// Thread-safety: any thread that is attached. Errors: none.
#pragma once

#include <concepts>

#include "shim/compat.hpp"

namespace pythonnogil::shim {

// True for text, numbers, CPython's containers and the like, for C functions bound to one of them,
// and for objects of an extension's static types, whose slots are C.
bool is_plain_data(PyObject* object);

inline bool is_plain_data(const auto&) {
    return true;
}

// False when there is no object among the arguments.
template <typename... Arguments>
bool are_plain_data(Arguments... arguments) {
    return (std::same_as<Arguments, PyObject*> || ...) && (is_plain_data(arguments) && ...);
}

}  // namespace pythonnogil::shim
