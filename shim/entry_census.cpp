#include "shim/entry_census.hpp"

#include <algorithm>
#include <iterator>

#include "shim/slot_names.hpp"
#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim {

namespace {

struct SlotPlace {
    const char* name;
    std::size_t offset;
};

#define SLOT(member) \
    { #member, offsetof(PyTypeObject, member) }
constexpr SlotPlace type_slots[] = {
    SLOT(tp_dealloc),     SLOT(tp_vectorcall), SLOT(tp_getattr),  SLOT(tp_setattr),
    SLOT(tp_repr),        SLOT(tp_hash),       SLOT(tp_call),     SLOT(tp_str),
    SLOT(tp_getattro),    SLOT(tp_setattro),   SLOT(tp_traverse), SLOT(tp_clear),
    SLOT(tp_richcompare), SLOT(tp_iter),       SLOT(tp_iternext), SLOT(tp_descr_get),
    SLOT(tp_descr_set),   SLOT(tp_init),       SLOT(tp_alloc),    SLOT(tp_new),
    SLOT(tp_free),        SLOT(tp_is_gc),      SLOT(tp_del),      SLOT(tp_finalize),
};
#undef SLOT

bool is_own(const ElfImage& image) {
    return image.contains(reinterpret_cast<const void*>(&PyType_Ready)) ||
           image.contains(static_cast<const void*>(&type_slots));
}

}  // namespace

const ElfImage* EntryCensus::image_of(const void* address) {
    auto known = std::ranges::find_if(
        images_, [&](const ElfImage& image) { return image.contains(address); });
    if (known == images_.end()) {
        const auto found = ElfImage::containing(address);
        if (!found)
            return nullptr;
        known = images_.insert(images_.end(), *found);
    }
    return &*known;
}

void EntryCensus::add(Py_ssize_t owner, const char* slot, void* function) {
    if (function == nullptr)
        return;
    void* const target = thunk_pool::target_of(function);
    const bool guarded = target != function && thunk_pool::is_guarding(function);
    const ElfImage* const image = image_of(target);
    // Code in no image was made at run time, by a closure library for example.
    if (image == nullptr)
        found_.push_back({owner, slot, "", reinterpret_cast<std::uintptr_t>(target), guarded});
    else if (!is_own(*image))
        found_.push_back({owner, slot, image->path(),
                          reinterpret_cast<std::uintptr_t>(target) - image->base(), guarded});
}

template <typename Function>
void EntryCensus::read(Py_ssize_t owner, const char* slot, Function* const& place) {
    if (place != nullptr && places_.insert(&place).second)
        add(owner, slot, reinterpret_cast<void*>(place));
}

void EntryCensus::read_method(Py_ssize_t owner, const PyMethodDef* method) {
    read(owner, "method", method->ml_meth);
}

void EntryCensus::read_methods(Py_ssize_t owner, const PyMethodDef* table) {
    for (; table != nullptr && table->ml_name != nullptr; ++table)
        read_method(owner, table);
}

void EntryCensus::read_getset(Py_ssize_t owner, const PyGetSetDef* getset) {
    read(owner, "getter", getset->get);
    read(owner, "setter", getset->set);
}

template <typename Suite>
void EntryCensus::read_suite(Py_ssize_t owner, const Suite* suite) {
    const auto* slots = reinterpret_cast<void* const*>(suite);
    for (std::size_t i = 0; slots != nullptr && i < sizeof(Suite) / sizeof(void*); ++i)
        read(owner, suite_slot_name(suite, i), slots[i]);
}

void EntryCensus::read_type(Py_ssize_t owner, const PyTypeObject* type) {
    for (const SlotPlace& slot : type_slots)
        read(owner, slot.name,
             *reinterpret_cast<void* const*>(reinterpret_cast<const char*>(type) + slot.offset));
    read_suite(owner, type->tp_as_number);
    read_suite(owner, type->tp_as_sequence);
    read_suite(owner, type->tp_as_mapping);
    read_suite(owner, type->tp_as_async);
    read_suite(owner, type->tp_as_buffer);
    read_methods(owner, type->tp_methods);
    for (const PyGetSetDef* getset = type->tp_getset; getset != nullptr && getset->name != nullptr;
         ++getset)
        read_getset(owner, getset);
}

void EntryCensus::read_module(Py_ssize_t owner, PyObject* module) {
    const PyModuleDef* definition = PyModule_GetDef(module);
    if (definition == nullptr)
        return;
    read_methods(owner, definition->m_methods);
    read(owner, "m_traverse", definition->m_traverse);
    read(owner, "m_clear", definition->m_clear);
    read(owner, "m_free", definition->m_free);
    read(owner, "m_init", definition->m_base.m_init);
    for (const PyModuleDef_Slot* slot = definition->m_slots; slot != nullptr && slot->slot != 0;
         ++slot) {
        if (slot->slot == Py_mod_create)
            read(owner, "Py_mod_create", slot->value);
        else if (slot->slot == Py_mod_exec)
            read(owner, "Py_mod_exec", slot->value);
    }
}

void EntryCensus::visit(PyObject* object, Py_ssize_t owner) {
    PyTypeObject* const type = Py_TYPE(object);
    if (type->tp_vectorcall_offset > 0)
        read(owner, "vectorcall",
             *reinterpret_cast<const vectorcallfunc*>(reinterpret_cast<const char*>(object) +
                                                      type->tp_vectorcall_offset));
    if (PyType_Check(object)) {
        read_type(owner, reinterpret_cast<PyTypeObject*>(object));
    } else if (PyModule_Check(object)) {
        read_module(owner, object);
    } else if (PyCFunction_Check(object)) {
        read_method(owner, reinterpret_cast<PyCFunctionObject*>(object)->m_ml);
    } else if (PyCapsule_CheckExact(object)) {
        add(owner, "capsule destructor", reinterpret_cast<void*>(PyCapsule_GetDestructor(object)));
        PyErr_Clear();
    } else if (type == &PyMethodDescr_Type || type == &PyClassMethodDescr_Type) {
        read_method(owner, reinterpret_cast<PyMethodDescrObject*>(object)->d_method);
    } else if (type == &PyGetSetDescr_Type) {
        read_getset(owner, reinterpret_cast<PyGetSetDescrObject*>(object)->d_getset);
    } else if (type == &PyWrapperDescr_Type) {
        const auto* wrapper = reinterpret_cast<PyWrapperDescrObject*>(object);
        read(owner, "wrapped slot", wrapper->d_wrapped);
        read(owner, "slot wrapper", wrapper->d_base->wrapper);
    }
}

void EntryCensus::read_threads(Py_ssize_t owner) {
    PyInterpreterState* const interpreter = PyInterpreterState_Get();
    for (const PyThreadState* thread = PyInterpreterState_ThreadHead(interpreter);
         thread != nullptr; thread = PyThreadState_Next(const_cast<PyThreadState*>(thread))) {
        read(owner, "profile function", thread->c_profilefunc);
        read(owner, "trace function", thread->c_tracefunc);
    }
    add(owner, "frame evaluator",
        reinterpret_cast<void*>(_PyInterpreterState_GetEvalFrameFunc(interpreter)));
}

void EntryCensus::read_allocators(Py_ssize_t owner) {
    for (const auto domain : {PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ}) {
        PyMemAllocatorEx allocator;
        PyMem_GetAllocator(domain, &allocator);
        add(owner, "allocator: malloc", reinterpret_cast<void*>(allocator.malloc));
        add(owner, "allocator: calloc", reinterpret_cast<void*>(allocator.calloc));
        add(owner, "allocator: realloc", reinterpret_cast<void*>(allocator.realloc));
        add(owner, "allocator: free", reinterpret_cast<void*>(allocator.free));
    }
    PyObjectArenaAllocator arenas;
    PyObject_GetArenaAllocator(&arenas);
    add(owner, "arena allocator: alloc", reinterpret_cast<void*>(arenas.alloc));
    add(owner, "arena allocator: free", reinterpret_cast<void*>(arenas.free));
}

void EntryCensus::visit_process(Py_ssize_t owner) {
    read_threads(owner);
    read_allocators(owner);
    add(owner, "PyOS_InputHook", reinterpret_cast<void*>(PyOS_InputHook));
    add(owner, "PyOS_ReadlineFunctionPointer",
        reinterpret_cast<void*>(PyOS_ReadlineFunctionPointer));
    for (const _inittab* module = PyImport_Inittab; module != nullptr && module->name != nullptr;
         ++module)
        read(owner, "built-in module", module->initfunc);
}

}  // namespace pythonnogil::shim
