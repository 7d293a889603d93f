// Types: guard their slots and tables before CPython copies a function pointer out of them.

#include <optional>
#include <vector>

#include "shim/attempt.hpp"
#include "shim/fresh_types.hpp"
#include "shim/guarded_tables.hpp"
#include "shim/hooks.hpp"
#include "shim/python_subclass.hpp"

namespace pythonnogil::shim::hooks {

namespace {

EntryKind kind_of_slot(int slot) {
    switch (slot) {
        case Py_tp_dealloc:
            return EntryKind::deallocator;
        case Py_tp_init:
            return EntryKind::tuple;
        case Py_tp_new:
            return EntryKind::constructor;
        case Py_tp_richcompare:
            return EntryKind::one_object;
        default:
            return EntryKind::plain;
    }
}

// What the function in a slot returns when it fails.
std::int8_t failure_of_slot(int slot) {
    switch (slot) {
        case Py_tp_setattr:
        case Py_tp_setattro:
        case Py_tp_hash:
        case Py_tp_clear:
        case Py_tp_descr_set:
        case Py_tp_init:
        case Py_nb_bool:
        case Py_sq_length:
        case Py_sq_ass_item:
        case Py_sq_contains:
        case Py_mp_length:
        case Py_mp_ass_subscript:
        case Py_am_send:
        case Py_bf_getbuffer:
            return -1;
        default:
            return 0;
    }
}

// Slots whose value is data, or a function that the collector calls with the world stopped.
bool is_left_alone(int slot) {
    switch (slot) {
        case Py_tp_base:
        case Py_tp_bases:
        case Py_tp_doc:
        case Py_tp_members:
        case Py_tp_traverse:
        case Py_tp_is_gc:
            return true;
        default:
            return false;
    }
}

PyType_Slot guarded_slot(PyType_Slot slot, const PyType_Spec& spec) {
    if (slot.slot == Py_tp_methods)
        slot.pfunc = guard_methods(static_cast<PyMethodDef*>(slot.pfunc), spec.name);
    else if (slot.slot == Py_tp_getset)
        slot.pfunc = guard_getsets(static_cast<PyGetSetDef*>(slot.pfunc), spec.name);
    else if (slot.slot == Py_tp_call)
        slot.pfunc = reinterpret_cast<void*>(
            guard_call_slot(reinterpret_cast<ternaryfunc>(slot.pfunc), spec.name, &spec));
    else if (!is_left_alone(slot.slot))
        slot.pfunc = guarded(slot.pfunc, kind_of_slot(slot.slot),
                             EntryName(spec.name, "type slot", failure_of_slot(slot.slot)));
    return slot;
}

// A copy of a specification, with thunks in it. CPython keeps no pointer to it.
struct GuardedSpec {
    explicit GuardedSpec(const PyType_Spec& original) : spec(original) {
        for (const PyType_Slot* slot = original.slots; slot->slot != 0; ++slot)
            slots.push_back(guarded_slot(*slot, original));
        slots.push_back({0, nullptr});
        spec.slots = slots.data();
    }
    GuardedSpec(const GuardedSpec&) = delete;
    GuardedSpec& operator=(const GuardedSpec&) = delete;

    PyType_Spec spec;
    std::vector<PyType_Slot> slots;
};

// A type that CPython has just made ready. False, with an exception set, when it cannot be guarded.
bool guard_made(PyTypeObject* type) {
    return attempt([&] {
        python_subclass::guard(type);
        guard_ready_type(type);
        fresh_types::remember(type);
    });
}

// `create` is CPython's function for the guarded specification.
template <typename Create>
PyObject* type_from(const PyType_Spec& original, Create create) {
    std::optional<GuardedSpec> guarded;
    if (!attempt([&] { guarded.emplace(original); }))
        return nullptr;
    PyObject* type = create(&guarded->spec);
    if (type != nullptr && !guard_made(reinterpret_cast<PyTypeObject*>(type)))
        Py_CLEAR(type);
    return type;
}

// False, with an exception set, when the type is not ready and cannot be guarded.
bool guard_unready(PyTypeObject* type) {
    if ((type->tp_flags & Py_TPFLAGS_READY) != 0) [[likely]]
        return true;
    return attempt([&] {
        guard_type(type);
        guard_ready_type(type);
    });
}

}  // namespace

int PyType_Ready(PyTypeObject* type) {
    if ((type->tp_flags & Py_TPFLAGS_READY) != 0)
        return ::PyType_Ready(type);
    if (!attempt([&] { guard_type(type); }) || ::PyType_Ready(type) < 0)
        return -1;
    return guard_made(type) ? 0 : -1;
}

int PyModule_AddType(PyObject* module, PyTypeObject* type) {
    return hooks::PyType_Ready(type) < 0 ? -1 : ::PyModule_AddType(module, type);
}

// A module need not ready its static types; CPython does, when an attribute of an instance is first
// looked for. Such a type is guarded when its first instance is made.

PyObject* PyObject_Init(PyObject* object, PyTypeObject* type) {
    return guard_unready(type) ? ::PyObject_Init(object, type) : nullptr;
}

PyVarObject* PyObject_InitVar(PyVarObject* object, PyTypeObject* type, Py_ssize_t size) {
    return guard_unready(type) ? ::PyObject_InitVar(object, type, size) : nullptr;
}

PyObject* _PyObject_New(PyTypeObject* type) {
    return guard_unready(type) ? ::_PyObject_New(type) : nullptr;
}

PyVarObject* _PyObject_NewVar(PyTypeObject* type, Py_ssize_t size) {
    return guard_unready(type) ? ::_PyObject_NewVar(type, size) : nullptr;
}

PyObject* _PyObject_GC_New(PyTypeObject* type) {
    return guard_unready(type) ? ::_PyObject_GC_New(type) : nullptr;
}

PyVarObject* _PyObject_GC_NewVar(PyTypeObject* type, Py_ssize_t size) {
    return guard_unready(type) ? ::_PyObject_GC_NewVar(type, size) : nullptr;
}

PyObject* PyType_GenericAlloc(PyTypeObject* type, Py_ssize_t size) {
    return guard_unready(type) ? ::PyType_GenericAlloc(type, size) : nullptr;
}

PyObject* PyType_FromSpec(PyType_Spec* spec) {
    return type_from(*spec, ::PyType_FromSpec);
}

PyObject* PyType_FromSpecWithBases(PyType_Spec* spec, PyObject* bases) {
    return type_from(
        *spec, [&](PyType_Spec* guarded) { return ::PyType_FromSpecWithBases(guarded, bases); });
}

PyObject* PyType_FromModuleAndSpec(PyObject* module, PyType_Spec* spec, PyObject* bases) {
    return type_from(*spec, [&](PyType_Spec* guarded) {
        return ::PyType_FromModuleAndSpec(module, guarded, bases);
    });
}

PyObject* PyType_FromMetaclass(PyTypeObject* metaclass, PyObject* module, PyType_Spec* spec,
                               PyObject* bases) {
    return type_from(*spec, [&](PyType_Spec* guarded) {
        return ::PyType_FromMetaclass(metaclass, module, guarded, bases);
    });
}

}  // namespace pythonnogil::shim::hooks
