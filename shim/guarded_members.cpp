#include "shim/guarded_members.hpp"

#include <structmember.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <new>
#include <tuple>

#include "shim/fork_mutex.hpp"
#include "shim/guard_plan.hpp"
#include "shim/guarded_tables.hpp"
#include "shim/writable_tables.hpp"

namespace pythonnogil::shim {

namespace {

// CPython's own flags are below. The mark is the number of the thunk, counted from one.
constexpr int mark_shift = 8;
static_assert(thunk_count < (1U << (31 - mark_shift)));

std::mutex mutex;  // guards the installation and the copies; held across fork

[[maybe_unused]] const int mutex_is_held_across_fork = hold_across_fork<mutex>();

// CPython's own functions for all members. Written once, before ours are put in their place.
descrgetfunc read_member = nullptr;
descrsetfunc write_member = nullptr;

enum class Step : std::intptr_t { read, write };

// What the thunk of a member stands for, with the object first, so that it can be the receiver.
// Null when it fails; what was read, or anything else.
void* access_member(PyObject* object, PyObject* descriptor, PyObject* other, Step step) {
    if (step == Step::read)
        return read_member(descriptor, object, other);
    return write_member(descriptor, object, other) < 0 ? nullptr : object;
}

std::size_t mark_of(const PyMemberDef& member) {
    return static_cast<unsigned>(member.flags) >> mark_shift;
}

std::size_t mark_of(const PyObject* descriptor) {
    return mark_of(*reinterpret_cast<const PyMemberDescrObject*>(descriptor)->d_member);
}

std::intptr_t as_argument(const PyObject* object) {
    return reinterpret_cast<std::intptr_t>(object);
}

void* access_guarded(std::size_t mark, PyObject* object, PyObject* descriptor, PyObject* other,
                     Step step) {
    const EntryFunction thunk = thunk_pool::thunk_of(thunk_pool::entry_at(mark - 1));
    return reinterpret_cast<void*>(thunk(as_argument(object), as_argument(descriptor),
                                         as_argument(other), static_cast<std::intptr_t>(step), 0,
                                         0));
}

PyObject* get(PyObject* descriptor, PyObject* object, PyObject* type) {
    const std::size_t mark = mark_of(descriptor);
    if (mark == 0 || object == nullptr) [[likely]]
        return read_member(descriptor, object, type);
    return static_cast<PyObject*>(access_guarded(mark, object, descriptor, type, Step::read));
}

int set(PyObject* descriptor, PyObject* object, PyObject* value) {
    const std::size_t mark = mark_of(descriptor);
    if (mark == 0) [[likely]]
        return write_member(descriptor, object, value);
    return access_guarded(mark, object, descriptor, value, Step::write) == nullptr ? -1 : 0;
}

// Puts our functions in the place of CPython's. Other threads may be reading members.
void install() {
    const std::lock_guard lock(mutex);
    if (read_member != nullptr)
        return;
    read_member = PyMemberDescr_Type.tp_descr_get;
    write_member = PyMemberDescr_Type.tp_descr_set;
    __atomic_store_n(&PyMemberDescr_Type.tp_descr_get, &get, __ATOMIC_RELEASE);
    __atomic_store_n(&PyMemberDescr_Type.tp_descr_set, &set, __ATOMIC_RELEASE);
}

// A number that Python only reads is read in one piece.
bool needs_guard(const PyMemberDef& member) {
    const bool is_pointer =
        member.type == T_OBJECT || member.type == T_OBJECT_EX || member.type == T_STRING;
    return is_pointer || (member.flags & Py_READONLY) == 0;
}

// The flags of a member whose access is guarded from now on. `site` is where its module is told by:
// the text of its name.
int marked_flags(const PyMemberDef& member, const char* type_name) {
    install();
    EntryName name(type_name, member.name);
    name.name_of = thunk_pool::NameOf::function;
    void* const thunk =
        guarded(reinterpret_cast<void*>(&access_member), EntryKind::foreign, name, member.name);
    const std::size_t mark = thunk_pool::index_of(thunk_pool::entry_of(thunk)) + 1;
    return member.flags | static_cast<int>(mark << mark_shift);
}

bool is_witnessed(const PyMemberDef& member) {
    const GuardPlan* const plan = guard_plans::of_running(member.name);
    return plan != nullptr && plan->only_witnesses();
}

bool is_to_be_guarded(const PyMemberDef& member) {
    return mark_of(member) == 0 && needs_guard(member) && !is_witnessed(member);
}

// Marked copies live for ever. Types that are made again and again have the same members.
PyMemberDef* marked_copy(const PyMemberDef& member, const char* type_name) {
    using Identity = std::tuple<const char*, int, Py_ssize_t, int, const char*>;
    static auto* const copies = new std::map<Identity, PyMemberDef*>;
    const int flags = marked_flags(member, type_name);
    const std::lock_guard lock(mutex);
    PyMemberDef*& copy = (*copies)[{member.name, member.type, member.offset, flags, member.doc}];
    if (copy == nullptr)
        copy = new PyMemberDef{member.name, member.type, member.offset, flags, member.doc};
    return copy;
}

// The descriptor that the type got for this member, as a new reference; null when it has another
// attribute there.
PyMemberDescrObject* descriptor_of(PyTypeObject* type, const PyMemberDef& member) {
    PyObject* const dict = PyType_GetDict(type);
    PyObject* found = nullptr;
    const int failed = PyDict_GetItemStringRef(dict, member.name, &found);
    Py_DECREF(dict);
    if (failed < 0) {
        PyErr_Clear();
        throw std::bad_alloc();
    }
    auto* const descriptor = reinterpret_cast<PyMemberDescrObject*>(found);
    if (found != nullptr && Py_IS_TYPE(found, &PyMemberDescr_Type) &&
        descriptor->d_member == &member)
        return descriptor;
    Py_XDECREF(found);
    return nullptr;
}

void guard_descriptors(PyTypeObject* type) {
    for (const PyMemberDef* member = type->tp_members; member != nullptr && member->name != nullptr;
         ++member) {
        PyMemberDescrObject* const descriptor =
            is_to_be_guarded(*member) ? descriptor_of(type, *member) : nullptr;
        if (descriptor == nullptr)
            continue;
        descriptor->d_member = marked_copy(*member, type->tp_name);
        Py_DECREF(descriptor);
    }
}

}  // namespace

void guard_members_of(PyTypeObject* type) {
    for (; type != nullptr && !is_trusted_code(type); type = type->tp_base)
        guard_descriptors(type);
}

PyMemberDef* guard_members(PyMemberDef* table, const char* type_name) {
    if (table == nullptr || table->name == nullptr)
        return table;
    std::size_t count = 0;
    while (table[count].name != nullptr)
        ++count;
    PyMemberDef* const copy = writable_copy(table, count + 1);
    for (std::size_t i = 0; i < count; ++i) {
        if (is_to_be_guarded(copy[i]))
            copy[i].flags = marked_flags(copy[i], type_name);
    }
    return copy;
}

}  // namespace pythonnogil::shim
