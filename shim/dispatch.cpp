// What every thunk calls: takes the guard, calls the legacy function, gives the guard back.

#include "shim/dying_object.hpp"
#include "shim/exclusive_hold.hpp"
#include "shim/function_objects.hpp"
#include "shim/garbage.hpp"
#include "shim/gil_lease.hpp"
#include "shim/main_thread_calls.hpp"
#include "shim/overlaps.hpp"
#include "shim/python_subclass.hpp"
#include "shim/quarantine.hpp"
#include "shim/recorder.hpp"
#include "shim/stack_switch.hpp"
#include "shim/thunk_pool.hpp"

namespace pythonnogil::shim {

namespace {

// More arguments than this are not searched for a container; real signatures put it among the
// first.
constexpr Py_ssize_t searched_arguments = 6;

bool is_lockable(PyObject* object) {
    PyTypeObject* type = Py_TYPE(object);
    constexpr unsigned long list_or_dict = Py_TPFLAGS_LIST_SUBCLASS | Py_TPFLAGS_DICT_SUBCLASS;
    return (type->tp_flags & list_or_dict) != 0 || type == &PySet_Type;
}

PyObject* first_lockable(PyObject* const* arguments, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count && i < searched_arguments; ++i) {
        if (is_lockable(arguments[i]))
            return arguments[i];
    }
    return nullptr;
}

// The container that the function may read by macro, or null.
inline __attribute__((always_inline)) PyObject* argument_to_lock(const Entry& entry,
                                                                 std::intptr_t a1, std::intptr_t a2,
                                                                 std::intptr_t a3) {
    if (!entry.locks_arguments)
        return nullptr;
    if (entry.kind == EntryKind::vector) [[likely]]
        return first_lockable(reinterpret_cast<PyObject* const*>(a1),
                              PyVectorcall_NARGS(static_cast<std::size_t>(a2)));
    switch (entry.kind) {
        case EntryKind::one_object: {
            auto* object = reinterpret_cast<PyObject*>(a1);
            return object != nullptr && is_lockable(object) ? object : nullptr;
        }
        case EntryKind::constructor:
        case EntryKind::function_object:
        case EntryKind::tuple: {
            auto* tuple = reinterpret_cast<PyTupleObject*>(a1);
            return tuple == nullptr ? nullptr : first_lockable(tuple->ob_item, Py_SIZE(tuple));
        }
        case EntryKind::method:
            return first_lockable(reinterpret_cast<PyObject* const*>(a2), a3);
        case EntryKind::vector:
        case EntryKind::plain:
        case EntryKind::deallocator:
        case EntryKind::finalizer:
        case EntryKind::watcher:
        case EntryKind::foreign:
        case EntryKind::inner_loop:
            return nullptr;
    }
    return nullptr;
}

struct Arguments {
    std::intptr_t a0, a1, a2, a3, a4, a5;
};

std::intptr_t call(const Entry& entry, const Arguments& a) {
    return entry.function(a.a0, a.a1, a.a2, a.a3, a.a4, a.a5);
}

std::intptr_t call_in(ExclusiveHold& hold, const Entry& entry, const Arguments& a) {
    const std::intptr_t result = call(entry, a);
    hold.leave();
    return result;
}

std::intptr_t call_locking(PyObject* receiver, const Entry& entry, const Arguments& a) {
    PyObject* argument = argument_to_lock(entry, a.a1, a.a2, a.a3);
    ExclusiveHold hold(*entry.domain, ExclusiveHold::Receiver{receiver}, argument);
    return call_in(hold, entry, a);
}

std::intptr_t call_shared(const Entry& entry, const Arguments& a) {
    if (entry.kind == EntryKind::deallocator) {
        deallocate_shared(entry, reinterpret_cast<PyObject*>(a.a0));
        return 0;
    }
    ExclusiveHold hold(*entry.domain, ExclusiveHold::Shared{});
    return call_in(hold, entry, a);
}

// A call on an object at the end of its life, which returns nothing. False when it is none.
inline bool end_object(const Entry& entry, std::intptr_t a0) {
    auto* object = reinterpret_cast<PyObject*>(a0);
    if (entry.kind == EntryKind::deallocator)
        deallocate_guarded(entry, object);
    else if (entry.kind == EntryKind::finalizer)
        finalize_guarded(entry, object);
    else
        return false;
    return true;
}

std::intptr_t call_alone(const Entry& entry, const Arguments& a) {
    if (end_object(entry, a.a0))
        return 0;
    if (entry.kind == EntryKind::constructor)
        python_subclass::guard(reinterpret_cast<PyTypeObject*>(a.a0));
    ExclusiveHold hold(*entry.domain, argument_to_lock(entry, a.a1, a.a2, a.a3));
    return call_in(hold, entry, a);
}

// The object that a function is called on. Functions of the module, static and class methods and
// constructors have none of their own.
PyObject* receiver_of(const Arguments& a) {
    auto* object = reinterpret_cast<PyObject*>(a.a0);
    const bool is_its_own = object != nullptr && !PyModule_Check(object) && !PyType_Check(object);
    return is_its_own ? object : nullptr;
}

// Without a receiver, calls are guarded by the domain. Nobody else can call anything on an object
// that dies.
std::intptr_t call_by_receiver(const Entry& entry, const Arguments& a) {
    if (entry.kind == EntryKind::deallocator) {
        deallocate_unguarded(entry, reinterpret_cast<PyObject*>(a.a0));
        return 0;
    }
    PyObject* const receiver = receiver_of(a);
    return receiver == nullptr ? call_alone(entry, a) : call_locking(receiver, entry, a);
}

// An object that dies while there can be no lease is left alone: its code must not run.
std::intptr_t call_with_gil(const Entry& entry, const Arguments& a) {
    if (entry.kind == EntryKind::deallocator) {
        deallocate_with_gil(entry, reinterpret_cast<PyObject*>(a.a0));
        return 0;
    }
    const gil_lease::Pin pin;
    return pin.pinned() ? call_alone(entry, a) : entry.failure;
}

// The thunk is what the main thread calls, so the guard is taken there.
std::intptr_t call_on_main_thread(const Entry& entry, const Arguments& a) {
    if (main_thread_calls::on_main_thread())
        return call_alone(entry, a);
    if (entry.kind == EntryKind::deallocator) {
        leave_to_main_thread(reinterpret_cast<PyObject*>(a.a0));
        return 0;
    }
    return main_thread_calls::run(thunk_pool::thunk_of(entry), {a.a0, a.a1, a.a2, a.a3, a.a4, a.a5})
        .value_or(entry.failure);
}

std::intptr_t call_watcher(const Entry& entry, const Arguments& a) {
    ExclusiveHold hold(*entry.domain, ExclusiveHold::WaitAttached{});
    return call_in(hold, entry, a);
}

std::intptr_t call_witnessed(const Entry& entry, const Arguments& a) {
    const bool on_receiver = entry.own_access == Access::witnessed_on_receiver;
    const overlaps::Call witness(entry, on_receiver ? receiver_of(a) : nullptr);
    if (entry.kind != EntryKind::deallocator)
        return call(entry, a);
    deallocate_unguarded(entry, reinterpret_cast<PyObject*>(a.a0));
    return 0;
}

std::intptr_t dispatch_by_access(const Entry& entry, Access access, const Arguments& a) {
    switch (access) {
        case Access::shared:
            return call_shared(entry, a);
        case Access::receiver:
            return call_by_receiver(entry, a);
        case Access::interpreter:
            return call_with_gil(entry, a);
        case Access::main_thread:
            return call_on_main_thread(entry, a);
        case Access::switching:
            return call_that_switches_stacks(entry, a.a0, a.a1, a.a2, a.a3, a.a4, a.a5);
        case Access::open:
            return call(entry, a);
        case Access::witnessed:
        case Access::witnessed_on_receiver:
            return call_witnessed(entry, a);
        case Access::exclusive:
        case Access::observed:
            return entry.kind == EntryKind::watcher ? call_watcher(entry, a) : call_alone(entry, a);
    }
    return call_alone(entry, a);
}

inline bool is_detached_loop(const Entry& entry) {
    return entry.kind == EntryKind::inner_loop && PyThreadState_GetUnchecked() == nullptr;
}

// Not part of any call's hold.
void sweep() {
    recorder::leave();
    quarantine::sweep();
    recorder::come_back();
}

void sweep_if_due() {
    if (quarantine::is_due() && thread_record.innermost == nullptr) [[unlikely]]
        sweep();
}

// Around deallocators and watchers CPython may be in the middle of anything.
void sweep_after(const Entry& entry, Access access) {
    if (access == Access::exclusive && entry.kind <= EntryKind::constructor)
        sweep_if_due();
}

// The ways in. The six arguments come in registers, as the thunk got them. Up to the call of the
// guarded function the common ways call nothing, unless they hand everything over, so that the
// arguments never have to be saved.

__attribute__((noinline)) std::intptr_t prepare_and_call(std::intptr_t a0, std::intptr_t a1,
                                                         std::intptr_t a2, std::intptr_t a3,
                                                         std::intptr_t a4, std::intptr_t a5,
                                                         const Entry* entry, ExclusiveHold* hold) {
    hold->prepare();
    return entry->function(a0, a1, a2, a3, a4, a5);
}

inline __attribute__((always_inline)) std::intptr_t call_at_once(
    ExclusiveHold& hold, const Entry* entry, std::intptr_t a0, std::intptr_t a1, std::intptr_t a2,
    std::intptr_t a3, std::intptr_t a4, std::intptr_t a5) {
    const std::intptr_t result = hold.must_prepare()
                                     ? prepare_and_call(a0, a1, a2, a3, a4, a5, entry, &hold)
                                     : entry->function(a0, a1, a2, a3, a4, a5);
    hold.leave();
    return result;
}

__attribute__((noinline)) std::intptr_t enter_by_access(std::intptr_t a0, std::intptr_t a1,
                                                        std::intptr_t a2, std::intptr_t a3,
                                                        std::intptr_t a4, std::intptr_t a5,
                                                        const Entry* entry) {
    if (is_detached_loop(*entry)) [[unlikely]]
        return entry->function(a0, a1, a2, a3, a4, a5);
    const Access access = entry->own_access;
    const std::intptr_t result = dispatch_by_access(*entry, access, {a0, a1, a2, a3, a4, a5});
    sweep_after(*entry, access);
    return result;
}

__attribute__((noinline)) std::intptr_t enter_shared(std::intptr_t a0, std::intptr_t a1,
                                                     std::intptr_t a2, std::intptr_t a3,
                                                     std::intptr_t a4, std::intptr_t a5,
                                                     const Entry* entry) {
    ExclusiveHold hold(*entry->domain, ExclusiveHold::SharedAtOnce{});
    if (hold.held()) [[likely]]
        return call_at_once(hold, entry, a0, a1, a2, a3, a4, a5);
    return enter_by_access(a0, a1, a2, a3, a4, a5, entry);
}

inline __attribute__((always_inline)) std::intptr_t enter_alone_in_line(
    std::intptr_t a0, std::intptr_t a1, std::intptr_t a2, std::intptr_t a3, std::intptr_t a4,
    std::intptr_t a5, const Entry* entry) {
    if (entry->kind < EntryKind::constructor && argument_to_lock(*entry, a1, a2, a3) == nullptr) {
        ExclusiveHold hold(*entry->domain, ExclusiveHold::AtOnce{});
        if (hold.held()) [[likely]] {
            const std::intptr_t result = call_at_once(hold, entry, a0, a1, a2, a3, a4, a5);
            sweep_if_due();
            return result;
        }
    } else if (entry->kind == EntryKind::deallocator) {
        deallocate_guarded(*entry, reinterpret_cast<PyObject*>(a0));
        return 0;
    }
    return enter_by_access(a0, a1, a2, a3, a4, a5, entry);
}

__attribute__((noinline)) std::intptr_t enter_alone(std::intptr_t a0, std::intptr_t a1,
                                                    std::intptr_t a2, std::intptr_t a3,
                                                    std::intptr_t a4, std::intptr_t a5,
                                                    const Entry* entry) {
    return enter_alone_in_line(a0, a1, a2, a3, a4, a5, entry);
}

// By the access that the entry has when it is not recorded.
inline __attribute__((always_inline)) std::intptr_t enter(Access access, std::intptr_t a0,
                                                          std::intptr_t a1, std::intptr_t a2,
                                                          std::intptr_t a3, std::intptr_t a4,
                                                          std::intptr_t a5, const Entry* entry) {
    if (access == Access::exclusive) [[likely]]
        return enter_alone(a0, a1, a2, a3, a4, a5, entry);
    if (access == Access::shared && entry->kind != EntryKind::deallocator)
        return enter_shared(a0, a1, a2, a3, a4, a5, entry);
    return enter_by_access(a0, a1, a2, a3, a4, a5, entry);
}

inline const Entry& recorded_as(const Entry& entry, std::intptr_t a0) {
    if (entry.kind != EntryKind::function_object) [[likely]]
        return entry;
    return function_objects::recorded_as(entry, reinterpret_cast<PyObject*>(a0));
}

// The main thread calls the thunk as well, so there the call is recorded.
__attribute__((noinline)) std::intptr_t enter_delegated(std::intptr_t a0, std::intptr_t a1,
                                                        std::intptr_t a2, std::intptr_t a3,
                                                        std::intptr_t a4, std::intptr_t a5,
                                                        const Entry* entry) {
    const ObservedCall call(recorded_as(*entry, a0), ObservedCall::Delegated{});
    return enter_by_access(a0, a1, a2, a3, a4, a5, entry);
}

__attribute__((noinline)) std::intptr_t enter_observed(std::intptr_t a0, std::intptr_t a1,
                                                       std::intptr_t a2, std::intptr_t a3,
                                                       std::intptr_t a4, std::intptr_t a5,
                                                       const Entry* entry) {
    if (is_detached_loop(*entry)) [[unlikely]]
        return entry->function(a0, a1, a2, a3, a4, a5);
    const Access access = entry->own_access;
    if (access == Access::main_thread && !main_thread_calls::on_main_thread()) [[unlikely]]
        return enter_delegated(a0, a1, a2, a3, a4, a5, entry);
    const ObservedCall call(recorded_as(*entry, a0));
    if (access == Access::exclusive) [[likely]]
        return enter_alone_in_line(a0, a1, a2, a3, a4, a5, entry);
    return enter(access, a0, a1, a2, a3, a4, a5, entry);
}

}  // namespace

extern "C" __attribute__((visibility("hidden"))) std::intptr_t pythonnogil_dispatch(
    std::intptr_t a0, std::intptr_t a1, std::intptr_t a2, std::intptr_t a3, std::intptr_t a4,
    std::intptr_t a5, const Entry* entry) {
    const Access access = entry->access;
    if (access == Access::exclusive) [[likely]]
        return enter_alone(a0, a1, a2, a3, a4, a5, entry);
    if (access == Access::observed)
        return enter_observed(a0, a1, a2, a3, a4, a5, entry);
    return enter(access, a0, a1, a2, a3, a4, a5, entry);
}

}  // namespace pythonnogil::shim
