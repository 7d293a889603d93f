// Modules: see what a module declares, answer CPython that it is safe without the GIL, and guard
// its functions.

#include "shim/attempt.hpp"
#include "shim/hooks.hpp"
#include "shim/import_in_progress.hpp"
#include "shim/module_definitions.hpp"

namespace pythonnogil::shim::hooks {

namespace {

std::string wrong_layout(const ImportInProgress& import) {
    return "module '" + import.name() + "' (" + import.path() +
           ") was compiled for another object layout (an ordinary GIL build or the limited API) "
           "and would "
           "crash this interpreter; build it from source with this interpreter's headers";
}

// What a multi-phase module is by what it says of itself, and how far that is believed.
template <typename Slot>
Verdict verdict_of(const Slot* slots, const ImportInProgress* import, LegacyReason& reason) {
    reason = LegacyReason::undeclared;
    for (const DefinitionSlot& slot : slots_of_module(slots)) {
        if (slot.id != Py_mod_gil)
            continue;
        reason = slot.value == Py_MOD_GIL_NOT_USED ? LegacyReason::distrusted
                                                   : LegacyReason::explicit_gil;
        if (reason == LegacyReason::distrusted && (import == nullptr || !import->distrusts()))
            return Verdict::declared;
    }
    return Verdict::legacy;
}

bool guard(PyModuleDef* definition) {
    return attempt([&] { module_definitions::guard(definition); });
}

bool answer(PyModuleDef* definition, LegacyReason reason, bool guards) {
    return attempt([&] { module_definitions::answer(definition, reason, guards); });
}

#ifdef Py_GIL_DISABLED
void answer_not_used(PyObject* module) {
    if (module != nullptr)
        ::PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
}
#else
void answer_not_used(PyObject*) {}
#endif

}  // namespace

PyObject* PyModuleDef_Init(PyModuleDef* definition) {
    ImportInProgress* import = ImportInProgress::current();
    if (import == nullptr)
        return ::PyModuleDef_Init(definition);
    if (!has_this_object_layout(definition)) {
        import->refuse(wrong_layout(*import));
        return nullptr;
    }
    LegacyReason reason;
    // An answered definition was seen before, under this or another name: its slots are ours.
    const bool answered = module_definitions::answered(definition, reason);
    if (answered && import->shares()) {
        import->declared();
        return ::PyModuleDef_Init(definition);
    }
    Verdict verdict = Verdict::legacy;
    if (!answered && !attempt([&] { verdict = verdict_of(definition->m_slots, import, reason); }))
        return nullptr;
    if (verdict == Verdict::declared) {
        import->declared();
        const bool ready = !import->shares() || answer(definition, reason, true);
        return ready ? ::PyModuleDef_Init(definition) : nullptr;
    }
    if (!import->legacy(reason) || !answer(definition, reason, import->puts_thunks()))
        return nullptr;
    return ::PyModuleDef_Init(definition);
}

PyObject* PyModule_Create2(PyModuleDef* definition, int api_version) {
    ImportInProgress* import = ImportInProgress::current();
    if (import == nullptr)
        return guard(definition) ? ::PyModule_Create2(definition, api_version) : nullptr;
    if (!has_this_object_layout(definition)) {
        import->refuse(wrong_layout(*import));
        return nullptr;
    }
    // A module that may still declare itself is judged when its init function has returned.
    if (!import->can_declare_late() && !import->legacy(LegacyReason::single_phase))
        return nullptr;
    if (import->puts_thunks() && !guard(definition))
        return nullptr;
    PyObject* module = ::PyModule_Create2(definition, api_version);
    answer_not_used(module);
    return module;
}

PyObject* PyModule_FromDefAndSpec2(PyModuleDef* definition, PyObject* spec, int api_version) {
    LegacyReason reason;
    const ImportInProgress* import = ImportInProgress::current();
    Verdict verdict = Verdict::declared;
    if (!module_definitions::answered(definition, reason) &&
        !attempt([&] { verdict = verdict_of(definition->m_slots, import, reason); }))
        return nullptr;
    if (verdict == Verdict::legacy &&
        !answer(definition, reason, import == nullptr || import->puts_thunks()))
        return nullptr;
    return ::PyModule_FromDefAndSpec2(definition, spec, api_version);
}

#ifdef PYTHONNOGIL_HAS_SLOT_ARRAYS
PySlot* export_module() {
    ImportInProgress* import = ImportInProgress::current();
    if (import == nullptr || import->exported().function == nullptr) {
        PyErr_SetString(PyExc_ImportError,
                        "pythonnogil: a legacy module was imported past the import hook of this "
                        "interpreter; import it where pythonnogil is installed");
        return nullptr;
    }
    auto* slots = reinterpret_cast<PySlot* (*)()>(import->exported().function)();
    if (slots == nullptr || PyErr_Occurred() != nullptr)
        return slots;
    LegacyReason reason;
    Verdict verdict = Verdict::legacy;
    if (!attempt([&] { verdict = verdict_of(slots, import, reason); }))
        return nullptr;
    if (verdict == Verdict::declared) {
        import->declared();
        if (!import->shares())
            return slots;
    } else if (!import->legacy(reason)) {
        return nullptr;
    }
    if (!attempt([&] {
            import->exported().slots =
                module_definitions::answered_slots(slots, import->puts_thunks());
        }))
        return nullptr;
    return import->exported().slots.data();
}

PyObject* PyModule_FromSlotsAndSpec(const PySlot* slots, PyObject* spec) {
    const ImportInProgress* import = ImportInProgress::current();
    LegacyReason reason;
    Verdict verdict = Verdict::legacy;
    if (slots == nullptr)
        return ::PyModule_FromSlotsAndSpec(slots, spec);
    if (!attempt([&] { verdict = verdict_of(slots, import, reason); }))
        return nullptr;
    if (verdict == Verdict::declared)
        return ::PyModule_FromSlotsAndSpec(slots, spec);
    std::vector<PySlot> answer;
    if (!attempt([&] {
            answer = module_definitions::answered_slots(slots,
                                                        import == nullptr || import->puts_thunks());
        }))
        return nullptr;
    return ::PyModule_FromSlotsAndSpec(answer.data(), spec);
}
#endif

#ifdef Py_GIL_DISABLED
// CPython looks at the answer when the init function returns (single-phase) and never again. A call
// in an exec slot is too late for CPython, and changes nothing here either: the module was judged
// by its slots.
int PyUnstable_Module_SetGIL(PyObject* module, void* gil) {
    ImportInProgress* import = ImportInProgress::current();
    if (import != nullptr && import->verdict() == Verdict::unknown && gil == Py_MOD_GIL_NOT_USED &&
        !import->declared())
        return -1;
    return ::PyUnstable_Module_SetGIL(module, Py_MOD_GIL_NOT_USED);
}
#endif

}  // namespace pythonnogil::shim::hooks
