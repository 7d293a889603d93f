// Types: guard their slots and tables before CPython copies a function pointer out of them.

#include <optional>
#include <vector>

#include "shim/attempt.hpp"
#include "shim/fresh_types.hpp"
#include "shim/guarded_members.hpp"
#include "shim/guarded_tables.hpp"
#include "shim/hooks.hpp"
#include "shim/own_finalizer.hpp"
#include "shim/python_subclass.hpp"
#include "shim/slot_names.hpp"

namespace pythonnogil::shim::hooks {

namespace {

EntryKind kind_of_slot(int slot) {
    switch (slot) {
        case Py_tp_dealloc:
            return EntryKind::deallocator;
        case Py_tp_finalize:
            return EntryKind::finalizer;
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
            return is_new_data_slot(slot);
    }
}

void* guarded_value(const DefinitionSlot& slot, const char* type_name, const void* site) {
    if (slot.id == Py_tp_methods)
        return guard_methods(static_cast<PyMethodDef*>(slot.value), type_name);
    if (slot.id == Py_tp_getset)
        return guard_getsets(static_cast<PyGetSetDef*>(slot.value), type_name);
    if (slot.id == Py_tp_call)
        return reinterpret_cast<void*>(
            guard_call_slot(reinterpret_cast<ternaryfunc>(slot.value), type_name, site));
    if (slot.value == reinterpret_cast<void*>(&hooks::PyType_GenericAlloc))
        return reinterpret_cast<void*>(&::PyType_GenericAlloc);
    if (is_left_alone(slot.id))
        return slot.value;
    return guarded(slot.value, kind_of_slot(slot.id),
                   EntryName(type_name, type_slot_name(slot.id), failure_of_slot(slot.id)));
}

// A copy of a specification, with thunks in it. CPython keeps no pointer to it.
struct GuardedSpec {
    explicit GuardedSpec(const PyType_Spec& original) : spec(original) {
        for (const DefinitionSlot& slot : slots_of_type(original.slots)) {
            void* value = guarded_value(slot, original.name, &original);
            if (value == nullptr && stands_for_specification(slot.id))
                value = const_cast<PyType_Spec*>(&original);
            slots.push_back({slot.id, value});
        }
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
        guard_members_of(type);
        fresh_types::remember(type);
    });
}

// Consumes the type that CPython made; null passes.
PyObject* guarded_ready_type(PyObject* type) {
    if (type != nullptr && !guard_made(reinterpret_cast<PyTypeObject*>(type)))
        Py_CLEAR(type);
    return type;
}

// `create` is CPython's function for the guarded specification.
template <typename Create>
PyObject* type_from(const PyType_Spec& original, Create create) {
    std::optional<GuardedSpec> guarded;
    if (!attempt([&] { guarded.emplace(original); }))
        return nullptr;
    return guarded_ready_type(create(&guarded->spec));
}

// False, with an exception set, when the type is not ready and cannot be guarded.
bool guard_unready(PyTypeObject* type) {
    if ((type->tp_flags & Py_TPFLAGS_READY) != 0) [[likely]]
        return true;
    return attempt([&] {
        guard_type(type);
        guard_ready_type(type);
        type->tp_members = guard_members(type->tp_members, type->tp_name);
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

PyObject* PyUnstable_Object_GC_NewWithExtraData(PyTypeObject* type, size_t size) {
    return guard_unready(type) ? ::PyUnstable_Object_GC_NewWithExtraData(type, size) : nullptr;
}

PyObject* PyType_GenericAlloc(PyTypeObject* type, Py_ssize_t size) {
    return guard_unready(type) ? ::PyType_GenericAlloc(type, size) : nullptr;
}

int PyObject_CallFinalizerFromDealloc(PyObject* object) {
    return own_finalizer::was_called_for(object) ? 0 : ::PyObject_CallFinalizerFromDealloc(object);
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

#ifdef PYTHONNOGIL_HAS_SLOT_ARRAYS
namespace {

// CPython refuses a type without a name.
const char* name_in(const std::vector<DefinitionSlot>& slots) {
    for (const DefinitionSlot& slot : slots)
        if (slot.id == Py_tp_name && slot.value != nullptr)
            return static_cast<const char*>(slot.value);
    return "";
}

}  // namespace

PyObject* PyType_FromSlots(PySlot* slots) {
    std::vector<PySlot> guarded;
    const auto guard_all = [&] {
        const std::vector<DefinitionSlot> all = slots_of_type(slots);
        const char* const name = name_in(all);
        for (const DefinitionSlot& slot : all) {
            PySlot copy{};
            copy.sl_id = static_cast<std::uint16_t>(slot.id);
            copy.sl_flags = slot.flags;
            copy.sl_ptr = guarded_value(slot, name, slots);
            guarded.push_back(copy);
        }
        guarded.push_back(PySlot{});
    };
    if (!attempt(guard_all))
        return nullptr;
    return guarded_ready_type(::PyType_FromSlots(guarded.data()));
}
#endif

}  // namespace pythonnogil::shim::hooks
