// The one place where CPython's versions differ. Everything else in shim/ and loader/ includes this
// header instead of Python.h, and asks it rather than PY_VERSION_HEX.
#pragma once

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include <cstdint>

#if PY_VERSION_HEX < 0x030D0000
#error "pythonnogil needs CPython 3.13 or later"
#endif

// Exported, and called by Cython's older output, but declared in CPython's internal headers only
// (pycore_setobject.h). Weak, because a later version may have it no more.
extern "C" __attribute__((weak)) int _PySet_NextEntry(PyObject* set, Py_ssize_t* position,
                                                      PyObject** key, Py_hash_t* hash);

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
