#include "shim/module_definitions.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#ifdef Py_GIL_DISABLED
#include "shim/guard_plan.hpp"
#include "shim/guarded_tables.hpp"
#endif

namespace pythonnogil::shim::module_definitions {

namespace {

using Create = PyObject* (*)(PyObject*, PyModuleDef*);

struct Answer {
    LegacyReason reason;
    Create create;  // the module's own create slot, behind a thunk if it is guarded; or null
    bool guards;
    PyModuleDef_Slot* original;  // the module's own slots
    const GuardPlan* plan;       // null: not guarded
    std::vector<PyModuleDef_Slot> slots;
};

struct Answers {
    std::mutex mutex;  // guards the map; never held while Python code runs
    std::map<const PyModuleDef*, std::unique_ptr<Answer>> by_definition;
};

// Never destroyed: CPython reads the slots as long as the process imports.
Answers& answers() {
    static auto* const instance = new Answers;
    return *instance;
}

#ifdef Py_GIL_DISABLED
void* guarded_slot(void* function, const char* name) {
    return guarded(function, EntryKind::plain, EntryName(name));
}
#else
void* guarded_slot(void* function, const char*) {
    return function;
}
#endif

Create create_slot_of(const PyModuleDef* definition) {
    const std::lock_guard lock(answers().mutex);
    return answers().by_definition.at(definition)->create;
}

const GuardPlan* plan_of_import(bool guards) {
    const ImportInProgress* import = ImportInProgress::current();
    return guards && import != nullptr ? &import->plan() : nullptr;
}

#ifdef Py_GIL_DISABLED
// The last exec slot: all functions of the module have been seen by then.
int check_readers(PyObject* module) {
    const GuardPlan* plan = nullptr;
    {
        const std::lock_guard lock(answers().mutex);
        plan = answers().by_definition.at(PyModule_GetDef(module))->plan;
    }
    return plan->check_readers() ? 0 : -1;
}
#else
int check_readers(PyObject*) {
    return 0;
}
#endif

// Stands for a module's create slot. CPython takes what is no module object for a legacy module,
// whatever its slots say, and would turn the GIL on.
PyObject* create_module(PyObject* spec, PyModuleDef* definition) {
    PyObject* made = create_slot_of(definition)(spec, definition);
    if (made == nullptr || PyModule_Check(made))
        return made;
    const std::string message =
        std::string("module '") + definition->m_name + "' makes an object of type '" +
        Py_TYPE(made)->tp_name +
        "' instead of a module, for which CPython turns the GIL on, so it cannot be guarded; "
        "import it with PYTHONNOGIL_MODE=off";
    if (ImportInProgress* import = ImportInProgress::current())
        import->refuse(message);
    else
        PyErr_SetString(PyExc_ImportError, message.c_str());
    Py_DECREF(made);
    return nullptr;
}

#ifdef PYTHONNOGIL_HAS_SLOT_ARRAYS
void* guarded_value(const DefinitionSlot& slot) {
    switch (slot.id) {
        case Py_mod_exec:
            return guarded_slot(slot.value, "exec slot");
        case Py_mod_create:
            return guarded_slot(slot.value, "create slot");
#ifdef Py_GIL_DISABLED
        case Py_mod_methods:
            return guard_methods(static_cast<PyMethodDef*>(slot.value), nullptr);
#endif
        case Py_mod_state_clear:
            return guarded_slot(slot.value, "m_clear");
        case Py_mod_state_free:
            return guarded_slot(slot.value, "m_free");
        default:
            return slot.value;
    }
}
#else
void* guarded_value(const DefinitionSlot& slot) {
    return slot.id == Py_mod_exec || slot.id == Py_mod_create
               ? guarded_slot(slot.value, slot.id == Py_mod_exec ? "exec slot" : "create slot")
               : slot.value;
}
#endif

// Appends one slot of the original definition to those of the answer.
void add_slot(Answer& answer, const DefinitionSlot& slot, bool guards) {
    if (slot.id == Py_mod_gil)
        return;
    void* value = guards ? guarded_value(slot) : slot.value;
    if (slot.id == Py_mod_create) {
        answer.create = reinterpret_cast<Create>(value);
        value = reinterpret_cast<void*>(&create_module);
    }
    answer.slots.push_back({slot.id, value});
}

}  // namespace

#ifdef Py_GIL_DISABLED
void guard(PyModuleDef* definition) {
    definition->m_methods = guard_methods(definition->m_methods, nullptr);
    definition->m_clear =
        guarded_function(definition->m_clear, EntryKind::plain, EntryName("m_clear"));
    definition->m_free =
        guarded_function(definition->m_free, EntryKind::plain, EntryName("m_free"));
}
#else
void guard(PyModuleDef*) {}
#endif

void answer(PyModuleDef* definition, LegacyReason reason, bool guards) {
    const std::lock_guard lock(answers().mutex);
    std::unique_ptr<Answer>& answer = answers().by_definition[definition];
    if (answer != nullptr && definition->m_slots == answer->slots.data()) {
        if (answer->guards || !guards)
            return;
        // Loaded unguarded before, in another mode or under a name that the policy trusts.
        definition->m_slots = answer->original;
    }
    auto made = std::make_unique<Answer>(
        Answer{reason, nullptr, guards, definition->m_slots, plan_of_import(guards), {}});
    for (const DefinitionSlot& slot : slots_of_module(definition->m_slots))
        add_slot(*made, slot, guards);
    if (made->plan != nullptr)
        made->slots.push_back({Py_mod_exec, reinterpret_cast<void*>(&check_readers)});
    made->slots.push_back({Py_mod_gil, Py_MOD_GIL_NOT_USED});
    made->slots.push_back({0, nullptr});
    if (guards)
        guard(definition);
    definition->m_slots = made->slots.data();
    // A definition at an address that was freed and used again leaves its former slots to whoever
    // still reads them.
    if (answer != nullptr)
        (void)answer.release();
    answer = std::move(made);
}

bool answered(const PyModuleDef* definition, LegacyReason& reason) {
    const std::lock_guard lock(answers().mutex);
    const auto place = answers().by_definition.find(definition);
    if (place == answers().by_definition.end() ||
        definition->m_slots != place->second->slots.data())
        return false;
    reason = place->second->reason;
    return true;
}

#ifdef PYTHONNOGIL_HAS_SLOT_ARRAYS
std::vector<PySlot> answered_slots(const PySlot* slots, bool guards) {
    std::vector<PySlot> answer;
    const auto add = [&](int id, void* value, int flags) {
        PySlot slot{};
        slot.sl_id = static_cast<std::uint16_t>(id);
        slot.sl_flags = static_cast<std::uint16_t>(flags);
        slot.sl_ptr = value;
        answer.push_back(slot);
    };
    bool has_token = false;
    for (const DefinitionSlot& slot : slots_of_module(slots)) {
        has_token = has_token || slot.id == Py_mod_token;
        if (slot.id != Py_mod_gil)
            add(slot.id, guards ? guarded_value(slot) : slot.value, slot.flags);
    }
    if (!has_token)
        add(Py_mod_token, const_cast<PySlot*>(slots), 0);
    add(Py_mod_gil, Py_MOD_GIL_NOT_USED, PySlot_INTPTR);
    add(Py_slot_end, nullptr, 0);
    return answer;
}
#endif

}  // namespace pythonnogil::shim::module_definitions
