// The functions of pythonnogil._core that read and explain policies.
//
// Python code holds a policy as an opaque capsule. The policy itself is never freed: imports under
// way and the records of modules point into it.
//
// Thread-safety: any attached thread. Errors: ValueError with one line for the user.
#pragma once

#include <exception>

#include "loader/core/errors.hpp"
#include "policy/policy.hpp"
#include "shim/compat.hpp"

namespace pythonnogil::loader {

// Runs `body`, which returns a new reference or null with an exception set; PolicyError becomes
// ValueError.
template <typename Body>
PyObject* value_error_at_boundary(Body&& body) {
    try {
        return body();
    } catch (const policy::PolicyError& error) {
        const std::string line = std::string("pythonnogil: ") + error.what();
        PyObject* text = PyUnicode_DecodeFSDefault(line.c_str());
        if (text != nullptr)
            PyErr_SetObject(PyExc_ValueError, text);
        Py_XDECREF(text);
        return nullptr;
    } catch (const std::exception&) {
        translate_exception("pythonnogil._core", "");
        return nullptr;
    }
}

// The policy in the capsule; null, with TypeError or ValueError set, when it is none.
const policy::Policy* policy_in(PyObject* capsule);

// read_policy(file, shipped): a capsule. Either file may be None.
PyObject* read_policy(PyObject* module, PyObject* arguments);

// describe_policy(policy): what it says of the process, and how many rules it has.
PyObject* describe_policy(PyObject* module, PyObject* policy);

// explain_policy(policy, name): the matching rules, the first of which decides, and the decision.
PyObject* explain_policy(PyObject* module, PyObject* arguments);

}  // namespace pythonnogil::loader
