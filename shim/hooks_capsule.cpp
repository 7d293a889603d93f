// Capsules: their destructors, and what passes in them from module to module.
//
// A module that takes a pointer out of another's capsule calls the other's functions, or changes
// its data, without any thunk in between. So their domains become one.

#include "shim/exclusive_hold.hpp"
#include "shim/guard_callback.hpp"
#include "shim/guard_plan.hpp"
#include "shim/hooks.hpp"
#include "shim/log.hpp"
#include "shim/numpy_ufuncs.hpp"

namespace pythonnogil::shim::hooks {

namespace {

// The plan of the module that made a capsule: the one that what is in it points into. A pointer to
// the heap says nothing, but then the name stands in the module's own constants.
const GuardPlan* maker_of(const void* pointer, const char* name) {
    const GuardPlan* plan = guard_plans::of(pointer);
    return plan != nullptr || name == nullptr ? plan : guard_plans::of(name);
}

void form_one_group(const GuardPlan* user, const GuardPlan* maker) {
    if (user == nullptr || maker == nullptr || &user->domain() == &maker->domain() ||
        maker->only_witnesses())
        return;
    log_debug("module " + user->module() + " uses a capsule of " + maker->module() +
              ", so they form one group");
    merge_domains(user->domain(), maker->domain());
    ExclusiveHold* hold = ExclusiveHold::on_top();
    if (hold != nullptr && hold->locks_domain() && !hold->is_reading() &&
        &hold->domain() != &hold->domain().current())
        hold->move_to(hold->domain().current());
}

}  // namespace

PyObject* PyCapsule_New(void* pointer, const char* name, PyCapsule_Destructor destructor) {
    return guard_callback(destructor, "capsule destructor")
               ? ::PyCapsule_New(pointer, name, destructor)
               : nullptr;
}

int PyCapsule_SetDestructor(PyObject* capsule, PyCapsule_Destructor destructor) {
    return guard_callback(destructor, "capsule destructor")
               ? ::PyCapsule_SetDestructor(capsule, destructor)
               : -1;
}

// Some compare it with their own, to tell whether a capsule is theirs.
PyCapsule_Destructor PyCapsule_GetDestructor(PyObject* capsule) {
    const PyCapsule_Destructor destructor = ::PyCapsule_GetDestructor(capsule);
    return reinterpret_cast<PyCapsule_Destructor>(
        thunk_pool::target_of(reinterpret_cast<void*>(destructor)));
}

void* PyCapsule_GetPointer(PyObject* capsule, const char* name) {
    void* const pointer = ::PyCapsule_GetPointer(capsule, name);
    if (pointer != nullptr && guard_plans::are_various())
        form_one_group(guard_plans::of_running(__builtin_return_address(0)),
                       maker_of(pointer, PyCapsule_GetName(capsule)));
    return pointer != nullptr && name == nullptr
               ? numpy_ufuncs::table_for_legacy_code(capsule, pointer)
               : pointer;
}

void* PyCapsule_Import(const char* name, int no_block) {
    void* const pointer = ::PyCapsule_Import(name, no_block);
    if (pointer != nullptr && guard_plans::are_various())
        form_one_group(guard_plans::of_running(__builtin_return_address(0)),
                       maker_of(pointer, nullptr));
    return pointer;
}

}  // namespace pythonnogil::shim::hooks
