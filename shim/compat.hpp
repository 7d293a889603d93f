// The one place where CPython's versions differ. Everything else in shim/ and loader/ includes this
// header instead of Python.h, and asks it rather than PY_VERSION_HEX.
#pragma once

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include <cstdint>
#include <stdexcept>
#include <vector>

#if PY_VERSION_HEX < 0x030D0000
#error "pythonnogil needs CPython 3.13 or later"
#endif

// Exported, and called by Cython's older output, but declared in CPython's internal headers only
// (pycore_setobject.h). Weak, because a later version may have it no more.
extern "C" __attribute__((weak)) int _PySet_NextEntry(PyObject* set, Py_ssize_t* position,
                                                      PyObject** key, Py_hash_t* hash);

#if PY_VERSION_HEX >= 0x030F0000
// Gone from the headers, but not from the interpreter, for extensions that were compiled for the
// limited API of an earlier version.
extern "C" PyObject* PyWeakref_GetObject(PyObject* reference);
#endif

#if PY_VERSION_HEX >= 0x030E0000
#define PYTHONNOGIL_HAS_CONTEXT_WATCHERS
#endif

namespace pythonnogil::shim {

#ifdef Py_GIL_DISABLED
inline constexpr bool free_threaded_build = true;
#else
inline constexpr bool free_threaded_build = false;
#endif

#ifdef Py_GIL_DISABLED

// Tag bits of PyThreadState::critical_section and PyCriticalSection::_cs_prev.
// Source: Include/internal/pycore_critical_section.h, the same in 3.13, 3.14 and 3.15.
inline constexpr std::uintptr_t section_inactive = 0x1;
inline constexpr std::uintptr_t section_two_mutexes = 0x2;
inline constexpr std::uintptr_t section_tags = 0x3;

// State bits of PyMutex. Source: Include/cpython/lock.h and pycore_lock.h.
inline constexpr std::uint8_t mutex_unlocked = 0;
inline constexpr std::uint8_t mutex_locked = 1;
inline constexpr std::uint8_t mutex_has_parked = 2;

// Whether a thread runs in the interpreter. Source: _Py_THREAD_ATTACHED in
// Include/internal/pycore_pystate.h.
inline bool is_attached(const PyThreadState* thread) {
    constexpr int attached = 1;
    return __atomic_load_n(&thread->state, __ATOMIC_ACQUIRE) == attached;
}

// The shared half of a biased reference count. Source: Include/refcount.h (3.14) and
// Include/object.h (3.13).
inline constexpr Py_ssize_t shared_count_one = Py_ssize_t{1} << _Py_REF_SHARED_SHIFT;
inline constexpr Py_ssize_t shared_flags = _Py_REF_SHARED_FLAG_MASK;
// Source: Include/internal/pycore_object.h. The count is held in ob_ref_shared alone; nobody owns
// the object.
inline constexpr Py_ssize_t shared_merged = 0x3;
// Source: Include/internal/pycore_gc.h, the same in 3.13 and 3.15. A thread that does not own the
// object has read or changed it.
inline constexpr std::uint8_t gc_bit_shared = 0x10;
// The collector has called, or is about to call, the object's tp_finalize.
inline constexpr std::uint8_t gc_bit_finalized = 0x02;
// The collector takes the object for garbage. Set until it clears the object or finds it alive.
inline constexpr std::uint8_t gc_bit_unreachable = 0x04;

#if PY_VERSION_HEX < 0x030E0000
// The macro Py_TRASHCAN_BEGIN compares tp_dealloc with the legacy function, finds the thunk and
// stays out; so it is done here, for every type: a long chain of objects that own one another is
// deallocated link by link, not by recursion.
class Trashcan {
  public:
    explicit Trashcan(PyObject* object) : thread_(PyThreadState_Get()) {
        deposited_ =
            thread_->c_recursion_remaining <= Py_TRASHCAN_HEADROOM && PyObject_IS_GC(object);
        if (deposited_)
            _PyTrash_thread_deposit_object(thread_, object);
        else
            thread_->c_recursion_remaining -= weight;
    }
    ~Trashcan() noexcept(false) {
        if (deposited_)
            return;
        thread_->c_recursion_remaining += weight;
        if (thread_->delete_later != nullptr &&
            thread_->c_recursion_remaining > 2 * Py_TRASHCAN_HEADROOM)
            _PyTrash_thread_destroy_chain(thread_);
    }
    Trashcan(const Trashcan&) = delete;
    Trashcan& operator=(const Trashcan&) = delete;

    bool deposited() const { return deposited_; }

  private:
    // The limit is made for CPython's own frames. A guarded deallocation has several more, and
    // large ones under AddressSanitizer.
    static constexpr int weight = 8;

    PyThreadState* thread_;
    bool deposited_;
};
#else
// From 3.14 on, CPython puts a dying object aside before it calls any deallocator, and the macros
// are empty.
class Trashcan {
  public:
    explicit Trashcan(PyObject*) {}
    bool deposited() const { return false; }
};
#endif

#endif

// One slot of a module's or a type's definition, from whichever of CPython's arrays it was read.
struct DefinitionSlot {
    int id;
    void* value;
    std::uint16_t flags;  // those of PySlot; 0 before 3.15
};

#if PY_VERSION_HEX >= 0x030F0000

// Modules may export PyModExport_<name>, a function that returns an array of PySlot. Such arrays,
// and those of definitions, may hold further arrays, and the numbers 1 to 4 mean one thing in a
// module and another in a type. Sources: Include/slots.h, Python/slots.c.
#define PYTHONNOGIL_HAS_SLOT_ARRAYS

inline constexpr int deepest_slot_array = 5;

inline DefinitionSlot generic_slot(const PySlot& slot) {
    return {slot.sl_id, slot.sl_ptr, slot.sl_flags};
}

inline DefinitionSlot generic_slot(const PyModuleDef_Slot& slot) {
    return {slot.slot, slot.value, PySlot_INTPTR | PySlot_STATIC};
}

inline DefinitionSlot generic_slot(const PyType_Slot& slot) {
    return {slot.slot, slot.pfunc, PySlot_INTPTR | PySlot_STATIC};
}

// Appends the slots of an array, and of the arrays in it. `first` is what the number 1 stands for.
// Throws std::invalid_argument for arrays nested deeper than CPython allows.
template <typename Slot>
void append_slots(std::vector<DefinitionSlot>& all, const Slot* slots, int first, int depth = 1) {
    if (depth > deepest_slot_array)
        throw std::invalid_argument("the arrays of slots in its definition are nested too deep");
    for (; slots != nullptr && generic_slot(*slots).id != Py_slot_end; ++slots) {
        DefinitionSlot slot = generic_slot(*slots);
        if (slot.id == Py_slot_subslots)
            append_slots(all, static_cast<const PySlot*>(slot.value), first, depth + 1);
        else if (slot.id == Py_mod_slots)
            append_slots(all, static_cast<const PyModuleDef_Slot*>(slot.value), first, depth + 1);
        else if (slot.id == Py_tp_slots)
            append_slots(all, static_cast<const PyType_Slot*>(slot.value), first, depth + 1);
        else {
            if (slot.id >= 1 && slot.id <= 4)
                slot.id += first - 1;
            all.push_back(slot);
        }
    }
}

template <typename Slot>
std::vector<DefinitionSlot> slots_of_module(const Slot* slots) {
    std::vector<DefinitionSlot> all;
    append_slots(all, slots, Py_mod_create);
    return all;
}

template <typename Slot>
std::vector<DefinitionSlot> slots_of_type(const Slot* slots) {
    std::vector<DefinitionSlot> all;
    append_slots(all, slots, Py_bf_getbuffer);
    return all;
}

// Slots of a type that hold data, which no version before had.
inline bool is_new_data_slot(int id) {
    return id == Py_tp_token || id >= Py_slot_subslots;
}

// Of the module that is being imported.
struct ExportedModule {
    void* function = nullptr;   // its PyModExport function, or null when it has none
    std::vector<PySlot> slots;  // what CPython got instead, alive for as long as it reads them
};

#else

// No module has an export function.
struct ExportedModule {};

inline std::vector<DefinitionSlot> slots_of_module(const PyModuleDef_Slot* slots) {
    std::vector<DefinitionSlot> all;
    for (; slots != nullptr && slots->slot != 0; ++slots)
        all.push_back({slots->slot, slots->value, 0});
    return all;
}

inline std::vector<DefinitionSlot> slots_of_type(const PyType_Slot* slots) {
    std::vector<DefinitionSlot> all;
    for (; slots->slot != 0; ++slots)
        all.push_back({slots->slot, slots->pfunc, 0});
    return all;
}

#if PY_VERSION_HEX >= 0x030E0000
inline bool is_new_data_slot(int id) {
    return id == Py_tp_token;
}
#else
inline bool is_new_data_slot(int) {
    return false;
}
#endif

#endif

// Whether null in this slot of a type means the specification itself, of which CPython gets a copy.
#if PY_VERSION_HEX >= 0x030E0000
inline bool stands_for_specification(int id) {
    return id == Py_tp_token;
}
#else
inline bool stands_for_specification(int) {
    return false;
}
#endif

// True when `definition` was compiled for this interpreter's object layout. Extensions compiled for
// the GIL, the limited API among them, have a shorter object header, so CPython 3.13 reads their
// definitions at wrong offsets and crashes. PyModuleDef_HEAD_INIT writes an immortal count into the
// header of every definition, at an offset that differs between the two layouts.
inline bool has_this_object_layout(const PyModuleDef* definition) {
#ifdef Py_GIL_DISABLED
    const PyModuleDef_Base& base = definition->m_base;
    if (base.ob_base.ob_ref_local == _Py_IMMORTAL_REFCNT_LOCAL ||
        base.ob_base.ob_type == &PyModuleDef_Type)
        return true;
    // nanobind clears its definition, header and all. Of the shorter layout, m_name would stand
    // where m_index does.
    return base.ob_base.ob_type == nullptr && base.ob_base.ob_ref_local == 0 &&
           base.ob_base.ob_ref_shared == 0 && base.m_init == nullptr && base.m_index == 0 &&
           base.m_copy == nullptr && definition->m_name != nullptr;
#else
    (void)definition;
    return true;
#endif
}

}  // namespace pythonnogil::shim
