#include "shim/python_subclass.hpp"

#include <structmember.h>

#include <exception>
#include <map>
#include <mutex>

#include "shim/fork_mutex.hpp"
#include "shim/log.hpp"
#include "shim/quarantine.hpp"
#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim::python_subclass {

namespace {

// CPython's subtype_dealloc, which has no public name. Null until learned; written once at install.
destructor cpython_deallocator = nullptr;

void deallocate(PyObject* self);

// Another thread may be seeing to the class.
destructor deallocator_of(const PyTypeObject* type) {
    return __atomic_load_n(&type->tp_dealloc, __ATOMIC_ACQUIRE);
}

bool is_python_level(const PyTypeObject* type) {
    const destructor deallocator = deallocator_of(type);
    return deallocator == cpython_deallocator ||
           thunk_pool::target_of(reinterpret_cast<void*>(deallocator)) ==
               reinterpret_cast<void*>(&deallocate);
}

// The nearest base with a deallocator of its own.
PyTypeObject* native_base(PyTypeObject* type) {
    while (is_python_level(type))
        type = type->tp_base;
    return type;
}

// The variables of __slots__, which stand behind the type object.
void clear_slots(PyTypeObject* type, PyObject* self) {
    const auto* member = reinterpret_cast<const PyMemberDef*>(reinterpret_cast<const char*>(type) +
                                                              Py_TYPE(type)->tp_basicsize);
    for (Py_ssize_t i = 0; i < Py_SIZE(type); ++i, ++member) {
        if (member->type == Py_T_OBJECT_EX && (member->flags & Py_READONLY) == 0)
            Py_CLEAR(*reinterpret_cast<PyObject**>(reinterpret_cast<char*>(self) + member->offset));
    }
}

void clear_dict(const PyTypeObject* type, const PyTypeObject* base, PyObject* self) {
    if ((type->tp_flags & Py_TPFLAGS_MANAGED_DICT) != 0) {
        PyObject_ClearManagedDict(self);
    } else if (type->tp_dictoffset != 0 && base->tp_dictoffset == 0) {
        if (PyObject** dict = _PyObject_GetDictPtr(self))
            Py_CLEAR(*dict);
    }
}

// __del__ and the like. False when they revived the object.
bool finalize(PyTypeObject* type, PyObject* self) {
    if (type->tp_finalize == nullptr)
        return true;
    const bool collected = PyType_IS_GC(type);
    if (collected)
        PyObject_GC_Track(self);
    if (PyObject_CallFinalizerFromDealloc(self) < 0)
        return false;
    if (collected)
        PyObject_GC_UnTrack(self);
    return true;
}

// The older finalizer, which takes care of reviving by itself. False when it revived the object.
bool run_tp_del(PyTypeObject* type, PyObject* self) {
    if (type->tp_del == nullptr)
        return true;
    const bool collected = PyType_IS_GC(type);
    if (collected)
        PyObject_GC_Track(self);
    type->tp_del(self);
    if (Py_REFCNT(self) > 0)
        return false;
    if (collected)
        PyObject_GC_UnTrack(self);
    return true;
}

std::mutex mutex;  // guards the next function's map and the tp_free of the classes in it

[[maybe_unused]] const int mutex_is_held_across_fork = hold_across_fork<mutex>();

// The classes whose tp_free is the quarantine's at this moment, and for how many instances. Never
// destroyed: objects die while the process ends.
std::map<PyTypeObject*, int>& diverted() {
    static auto* const instance = new std::map<PyTypeObject*, int>;
    return *instance;
}

// The base gives the memory back through the tp_free of the object's own type. That has to be
// CPython's at all other times, because assigning to __class__ compares it; so the quarantine
// stands there while bases deallocate objects that it has to hold back. One that detaches lets
// others in meanwhile.
class DivertedFree {
  public:
    DivertedFree(PyTypeObject* type, const PyObject* self) : type_(nullptr) {
        if (!quarantine::is_held_back(self)) [[likely]]
            return;
        const std::lock_guard lock(mutex);
        const auto place = diverted().try_emplace(type, 0).first;
        if (place->second == 0 && type->tp_free != PyObject_GC_Del) {
            diverted().erase(place);
            return;
        }
        ++place->second;
        type_ = type;
        type_->tp_free = quarantine::free_collected_object;
    }
    ~DivertedFree() {
        if (type_ == nullptr) [[likely]]
            return;
        const std::lock_guard lock(mutex);
        const auto place = diverted().find(type_);
        if (--place->second > 0)
            return;
        type_->tp_free = PyObject_GC_Del;
        diverted().erase(place);
    }
    DivertedFree(const DivertedFree&) = delete;
    DivertedFree& operator=(const DivertedFree&) = delete;

  private:
    PyTypeObject* type_;
};

void deallocate_base(PyTypeObject* base, PyTypeObject* type, PyObject* self) {
    Py_INCREF(type);
    {
        const DivertedFree diverted_free(type, self);
        base->tp_dealloc(self);
    }
    Py_DECREF(type);
}

// The steps of CPython's subtype_dealloc (Objects/typeobject.c), in the same order and with public
// functions. The trashcan is the caller's. It runs under the guard.
void deallocate(PyObject* self) {
    PyTypeObject* const type = Py_TYPE(self);
    PyTypeObject* const base = native_base(type);
    const bool collected = PyType_IS_GC(type);
    if (collected)
        PyObject_GC_UnTrack(self);
    if (!finalize(type, self))
        return;
    if (collected && type->tp_weaklistoffset != 0 && base->tp_weaklistoffset == 0)
        PyObject_ClearWeakRefs(self);
    if (!run_tp_del(type, self))
        return;
    if (collected) {
        for (PyTypeObject* level = type; level != base; level = level->tp_base)
            clear_slots(level, self);
        clear_dict(type, base, self);
        if (PyType_IS_GC(base))
            PyObject_GC_Track(self);
    }
    // A heap type's deallocator drops the reference to the type; a static type's knows nothing of
    // it.
    const bool drop_type = (base->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0;
    deallocate_base(base, type, self);
    if (drop_type)
        Py_DECREF(type);
}

// The thunk of the legacy code that takes part in the deallocation: the native base's deallocator,
// or a finalizer where CPython does all the rest. Null when there is none.
void* legacy_part(PyTypeObject* type) {
    for (void* const function :
         {reinterpret_cast<void*>(native_base(type)->tp_dealloc),
          reinterpret_cast<void*>(type->tp_finalize), reinterpret_cast<void*>(type->tp_del)}) {
        if (thunk_pool::is_thunk(function) && thunk_pool::is_guarding(function))
            return function;
    }
    return nullptr;
}

// A finalizer of the class's own, __del__, goes under the guard as well: the collector may come to
// call it on an object that legacy code has found since.
destructor guarded_finalizer(destructor finalize, const Guarding& guarding) {
    auto* const function = reinterpret_cast<void*>(finalize);
    if (function == nullptr || thunk_pool::is_thunk(function) ||
        guarding.access != Access::exclusive)
        return finalize;
    return reinterpret_cast<destructor>(thunk_pool::claim(function, EntryKind::finalizer, guarding,
                                                          "finalizer of a Python subclass"));
}

// Only if no other thread has done it: by now the class may have instances, whose ends read it.
void replace(destructor& place, destructor former, destructor replacement) {
    if (replacement != former)
        __atomic_compare_exchange_n(&place, &former, replacement, false, __ATOMIC_RELEASE,
                                    __ATOMIC_RELAXED);
}

}  // namespace

bool learn_from_interpreter() {
    if (cpython_deallocator != nullptr)
        return true;
    PyObject* made =
        PyObject_CallFunction(reinterpret_cast<PyObject*>(&PyType_Type), "s(){}", "Probe");
    if (made == nullptr)
        return false;
    cpython_deallocator = reinterpret_cast<PyTypeObject*>(made)->tp_dealloc;
    Py_DECREF(made);
    return true;
}

void guard(PyTypeObject* type) {
    if (deallocator_of(type) != cpython_deallocator)
        return;
    void* const part = legacy_part(type);
    if (part == nullptr)
        return;
    try {
        const Guarding guarding = thunk_pool::guarding_of(part);
        void* const thunk =
            thunk_pool::claim(reinterpret_cast<void*>(&deallocate), EntryKind::deallocator,
                              guarding, "deallocator of a Python subclass");
        const destructor finalize = __atomic_load_n(&type->tp_finalize, __ATOMIC_RELAXED);
        replace(type->tp_finalize, finalize, guarded_finalizer(finalize, guarding));
        replace(type->tp_dealloc, cpython_deallocator, reinterpret_cast<destructor>(thunk));
    } catch (const std::exception& error) {
        log_warning(std::string("class ") + type->tp_name +
                    " keeps CPython's deallocator: " + error.what());
    }
}

}  // namespace pythonnogil::shim::python_subclass
