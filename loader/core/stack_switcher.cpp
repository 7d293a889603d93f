#include "loader/core/stack_switcher.hpp"

#ifdef Py_GIL_DISABLED
#include "shim/domain.hpp"
#include "shim/thunk_pool.hpp"
#endif

namespace pythonnogil::loader::stack_switcher {

bool is_one(const shim::ImportInProgress& import) {
    return import.guards() && import.name() == "greenlet._greenlet";
}

std::string refusal(const shim::ImportInProgress& import) {
    return "module '" + import.name() + "' (" + import.path() +
           ") switches C stacks and does not declare that it is safe without the GIL, so it can be "
           "neither guarded nor left alone; install a release of greenlet that declares it, or "
           "import it with PYTHONNOGIL_MODE=off";
}

#ifdef Py_GIL_DISABLED

namespace {

// The functions of the C API that switch, by their place in the capsule's table. Source:
// greenlet.h, the same from 0.4 on.
constexpr std::size_t switching_functions[] = {5, 6};  // PyGreenlet_Throw, PyGreenlet_Switch

void let_switch(void*& function) {
    void* const thunk = shim::thunk_pool::claim(function, shim::EntryKind::plain,
                                                {&shim::process_domain()}, "greenlet's C API");
    shim::thunk_pool::let_switch_stacks(thunk);
    function = thunk;
}

}  // namespace

bool adapt(const shim::ImportInProgress& import, PyObject* module) {
    for (void* const thunk : import.thunks())
        shim::thunk_pool::let_switch_stacks(thunk);
    PyObject* capsule = PyObject_GetAttrString(module, "_C_API");
    if (capsule == nullptr)
        return false;
    auto** const table = static_cast<void**>(PyCapsule_GetPointer(capsule, "greenlet._C_API"));
    Py_DECREF(capsule);
    if (table == nullptr)
        return false;
    for (const std::size_t place : switching_functions)
        let_switch(table[place]);
    return true;
}

#else

bool adapt(const shim::ImportInProgress&, PyObject*) {
    return true;
}

#endif

}  // namespace pythonnogil::loader::stack_switcher
