#include "shim/module_definitions.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#ifdef Py_GIL_DISABLED
#include "shim/guarded_tables.hpp"
#endif

namespace pythonnogil::shim::module_definitions {

namespace {

struct Answer {
    LegacyReason reason;
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
PyModuleDef_Slot guarded_slot(PyModuleDef_Slot slot) {
    if (slot.slot == Py_mod_exec || slot.slot == Py_mod_create)
        slot.value = guarded(slot.value, EntryKind::plain,
                             slot.slot == Py_mod_exec ? "exec slot" : "create slot");
    return slot;
}
#else
PyModuleDef_Slot guarded_slot(PyModuleDef_Slot slot) {
    return slot;
}
#endif

}  // namespace

#ifdef Py_GIL_DISABLED
void guard(PyModuleDef* definition) {
    definition->m_methods = guard_methods(definition->m_methods);
    definition->m_clear = guarded_function(definition->m_clear, EntryKind::plain, "m_clear");
    definition->m_free = guarded_function(definition->m_free, EntryKind::plain, "m_free");
}
#else
void guard(PyModuleDef*) {}
#endif

void answer(PyModuleDef* definition, LegacyReason reason, bool guards) {
    const std::lock_guard lock(answers().mutex);
    std::unique_ptr<Answer>& answer = answers().by_definition[definition];
    if (answer != nullptr && definition->m_slots == answer->slots.data())
        return;
    auto made = std::make_unique<Answer>(Answer{reason, {}});
    for (const PyModuleDef_Slot* slot = definition->m_slots; slot != nullptr && slot->slot != 0;
         ++slot) {
        if (slot->slot != Py_mod_gil)
            made->slots.push_back(guards ? guarded_slot(*slot) : *slot);
    }
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

}  // namespace pythonnogil::shim::module_definitions
