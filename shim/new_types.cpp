#include "shim/new_types.hpp"

#include <string>
#include <utility>
#include <vector>

#include "shim/guarded_tables.hpp"
#include "shim/log.hpp"

namespace pythonnogil::shim::new_types {

thread_local constinit bool pending = false;

namespace {

// With a reference to each: legacy code may drop a type again.
thread_local std::vector<PyTypeObject*> types;

void guard_vectorcall(PyTypeObject* type) {
    try {
        type->tp_vectorcall = guarded_function(type->tp_vectorcall, EntryKind::vector,
                                               EntryName(type->tp_name, "tp_vectorcall"));
    } catch (const std::exception& error) {
        type->tp_vectorcall = nullptr;
        log_warning(std::string("type ") + type->tp_name +
                    " loses its vectorcall: " + error.what());
    }
}

}  // namespace

void remember(PyTypeObject* type) {
    types.push_back(type);
    Py_INCREF(type);
    pending = true;
}

void guard() {
    for (PyTypeObject* type : types)
        guard_vectorcall(type);
}

void settle() {
    guard();
    pending = false;
    for (PyTypeObject* type : std::exchange(types, {}))
        Py_DECREF(type);
}

}  // namespace pythonnogil::shim::new_types
