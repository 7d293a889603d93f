#include "shim/guarded_tables.hpp"

#include <algorithm>
#include <cstddef>

#include "shim/elf_image.hpp"
#include "shim/entry_origins.hpp"
#include "shim/function_objects.hpp"
#include "shim/guard_plan.hpp"
#include "shim/hooks.hpp"
#include "shim/import_in_progress.hpp"
#include "shim/quarantine.hpp"
#include "shim/slot_names.hpp"
#include "shim/writable_tables.hpp"

namespace pythonnogil::shim {

namespace {

// Code of the interpreter and of this library, which is never legacy.
class TrustedCode {
  public:
    static bool contains(const void* address) {
        static const TrustedCode instance;
        return instance.interpreter_.contains(address) || instance.shim_.contains(address);
    }

  private:
    TrustedCode()
        : interpreter_(ElfImage::containing(reinterpret_cast<const void*>(&PyType_Ready)).value()),
          shim_(ElfImage::containing(reinterpret_cast<const void*>(&guard_type)).value()) {}

    ElfImage interpreter_;
    ElfImage shim_;
};

// CPython gives a type that adds garbage collection PyObject_GC_Del, if it finds PyObject_Free in
// its base. A guarded base has another function there.
void keep_default_free(PyTypeObject* type) {
    const PyTypeObject* base = type->tp_base;
    if (type->tp_free == nullptr && (type->tp_flags & Py_TPFLAGS_HAVE_GC) != 0 && base != nullptr &&
        base->tp_free == quarantine::free_object)
        type->tp_free = PyObject_GC_Del;
}

// Instances of a type that nobody readies are made through this slot, if it is filled in the type's
// source. So our function stands there until the type is guarded; a ready type has CPython's own.
void keep_default_alloc(PyTypeObject* type) {
    if (type->tp_alloc == hooks::PyType_GenericAlloc)
        type->tp_alloc = ::PyType_GenericAlloc;
}

EntryKind kind_of_method(int flags) {
    switch (flags &
            (METH_VARARGS | METH_FASTCALL | METH_NOARGS | METH_O | METH_KEYWORDS | METH_METHOD)) {
        case METH_O:
            return EntryKind::one_object;
        case METH_VARARGS:
        case METH_VARARGS | METH_KEYWORDS:
            return EntryKind::tuple;
        case METH_FASTCALL:
        case METH_FASTCALL | METH_KEYWORDS:
            return EntryKind::vector;
        case METH_METHOD | METH_FASTCALL | METH_KEYWORDS:
            return EntryKind::method;
        default:
            return EntryKind::plain;
    }
}

EntryName own_name(const char* type_name, const char* name, std::int8_t failure = 0) {
    EntryName entry_name(type_name, name, failure);
    entry_name.name_of = thunk_pool::NameOf::function;
    return entry_name;
}

// Tables come along again, when a function is made of the same definition for instance. Other
// threads may read them then, so what is right already is not written.
template <typename Pointer>
void replace(Pointer& place, Pointer guarded) {
    if (place != guarded)
        place = guarded;
}

void guard_one(PyMethodDef& method, const char* type_name) {
    replace(method.ml_meth, guarded_function(method.ml_meth, kind_of_method(method.ml_flags),
                                             own_name(type_name, method.ml_name)));
}

void guard_accessors(PyGetSetDef& getset, const char* type_name) {
    replace(getset.get,
            guarded_function(getset.get, EntryKind::plain, own_name(type_name, getset.name)));
    replace(getset.set,
            guarded_function(getset.set, EntryKind::plain, own_name(type_name, getset.name, -1)));
}

// A row of slots: the offset of the pointer in its structure, and how it takes its arguments.
struct SlotRow {
    std::size_t offset;
    const char* name;
    EntryKind kind;
    std::int8_t failure;
};

#define SLOT(structure, member, kind) \
    { offsetof(structure, member), #member, EntryKind::kind, 0 }
#define INT_SLOT(structure, member, kind) \
    { offsetof(structure, member), #member, EntryKind::kind, -1 }

constexpr SlotRow type_slots[] = {
    SLOT(PyTypeObject, tp_dealloc, deallocator),
    SLOT(PyTypeObject, tp_getattr, plain),
    INT_SLOT(PyTypeObject, tp_setattr, plain),
    SLOT(PyTypeObject, tp_repr, plain),
    INT_SLOT(PyTypeObject, tp_hash, plain),
    SLOT(PyTypeObject, tp_call, tuple),
    SLOT(PyTypeObject, tp_str, plain),
    SLOT(PyTypeObject, tp_getattro, plain),
    INT_SLOT(PyTypeObject, tp_setattro, plain),
    INT_SLOT(PyTypeObject, tp_clear, plain),
    SLOT(PyTypeObject, tp_richcompare, one_object),
    SLOT(PyTypeObject, tp_iter, plain),
    SLOT(PyTypeObject, tp_iternext, plain),
    SLOT(PyTypeObject, tp_descr_get, plain),
    INT_SLOT(PyTypeObject, tp_descr_set, plain),
    INT_SLOT(PyTypeObject, tp_init, tuple),
    SLOT(PyTypeObject, tp_alloc, plain),
    SLOT(PyTypeObject, tp_new, constructor),
    SLOT(PyTypeObject, tp_free, plain),
    SLOT(PyTypeObject, tp_del, plain),
    SLOT(PyTypeObject, tp_finalize, finalizer),
    SLOT(PyTypeObject, tp_vectorcall, vector),
};

#undef SLOT
#undef INT_SLOT

void guard_slot(PyTypeObject* type, const SlotRow& row) {
    void*& slot = *reinterpret_cast<void**>(reinterpret_cast<char*>(type) + row.offset);
    slot = guarded(slot, row.kind, EntryName(type->tp_name, row.name, row.failure));
}

// The slots of the suites that return an int or a size, by their offset.
constexpr std::size_t int_slots(const PyNumberMethods*, std::size_t number) {
    return number == 0 ? offsetof(PyNumberMethods, nb_bool) : SIZE_MAX;
}
constexpr std::size_t int_slots(const PySequenceMethods*, std::size_t number) {
    constexpr std::size_t offsets[] = {offsetof(PySequenceMethods, sq_length),
                                       offsetof(PySequenceMethods, sq_ass_item),
                                       offsetof(PySequenceMethods, sq_contains)};
    return number < std::size(offsets) ? offsets[number] : SIZE_MAX;
}
constexpr std::size_t int_slots(const PyMappingMethods*, std::size_t number) {
    constexpr std::size_t offsets[] = {offsetof(PyMappingMethods, mp_length),
                                       offsetof(PyMappingMethods, mp_ass_subscript)};
    return number < std::size(offsets) ? offsets[number] : SIZE_MAX;
}
constexpr std::size_t int_slots(const PyAsyncMethods*, std::size_t number) {
    return number == 0 ? offsetof(PyAsyncMethods, am_send) : SIZE_MAX;
}
constexpr std::size_t int_slots(const PyBufferProcs*, std::size_t number) {
    return number == 0 ? offsetof(PyBufferProcs, bf_getbuffer) : SIZE_MAX;
}

template <typename Suite>
std::int8_t failure_of(const Suite* suite, std::size_t index) {
    for (std::size_t number = 0; int_slots(suite, number) != SIZE_MAX; ++number) {
        if (int_slots(suite, number) == index * sizeof(void*))
            return -1;
    }
    return 0;
}

template <typename Suite>
void guard_suite_slot(Suite* suite, std::size_t index, const char* type_name) {
    void*& slot = reinterpret_cast<void**>(suite)[index];
    replace(slot,
            guarded(slot, EntryKind::plain,
                    EntryName(type_name, suite_slot_name(suite, index), failure_of(suite, index))));
}

// The suites (numbers, sequences, ...) hold function pointers and nothing else. Unary and binary
// functions stand side by side in them, so no argument is looked at.
template <typename Suite>
Suite* guard_suite(Suite* suite, const char* type_name) {
    static_assert(sizeof(Suite) % sizeof(void*) == 0);
    if (suite == nullptr)
        return nullptr;
    suite = writable_table(suite, 1);
    for (std::size_t i = 0; i < sizeof(Suite) / sizeof(void*); ++i)
        guard_suite_slot(suite, i, type_name);
    return suite;
}

}  // namespace

bool is_trusted_code(const void* address) {
    return TrustedCode::contains(address);
}

void* guarded(void* function, EntryKind kind, const EntryName& name, const void* site) {
    void* const given = function;
    // The table of a library that an unguarded module brought along may now be a guarded one's.
    if (thunk_pool::is_thunk(function) && thunk_pool::only_witnesses(function))
        function = thunk_pool::target_of(function);
    if (function == nullptr || thunk_pool::is_thunk(function) ||
        (kind != EntryKind::foreign && TrustedCode::contains(function)))
        return given;
    const std::string full_name = qualified_name(name.type, name.function);
    const GuardPlan* own = guard_plans::of_running(site == nullptr ? function : site);
    const GuardPlan& plan = own == nullptr ? guard_plans::standard() : *own;
    Guarding guarding = plan.guarding_of(full_name, name.has_receiver);
    guarding.failure = name.failure;
    void* const thunk = thunk_pool::claim(function, kind, guarding, full_name, name.name_of,
                                          entry_origins::find(function, site));
    if (ImportInProgress* import = ImportInProgress::current())
        import->remember_thunk(thunk);
    return thunk;
}

PyMethodDef* guard_methods(PyMethodDef* table, const char* type_name) {
    if (table == nullptr)
        return nullptr;
    std::size_t count = 0;
    while (table[count].ml_name != nullptr)
        ++count;
    table = writable_table(table, count + 1);
    std::for_each_n(table, count, [&](PyMethodDef& method) { guard_one(method, type_name); });
    return table;
}

PyMethodDef* guard_method(PyMethodDef* method, const char* type_name) {
    if (method == nullptr)
        return nullptr;
    method = writable_table(method, 1);
    guard_one(*method, type_name);
    return method;
}

PyGetSetDef* guard_getsets(PyGetSetDef* table, const char* type_name) {
    if (table == nullptr)
        return nullptr;
    std::size_t count = 0;
    while (table[count].name != nullptr)
        ++count;
    table = writable_table(table, count + 1);
    std::for_each_n(table, count, [&](PyGetSetDef& getset) { guard_accessors(getset, type_name); });
    return table;
}

PyGetSetDef* guard_getset(PyGetSetDef* getset, const char* type_name) {
    if (getset == nullptr)
        return nullptr;
    getset = writable_table(getset, 1);
    guard_accessors(*getset, type_name);
    return getset;
}

void guard_wrapper(wrapperbase*& base, void*& wrapped, const char* type_name) {
    const EntryName name = own_name(type_name, base->name);
    if (TrustedCode::contains(reinterpret_cast<void*>(base->wrapper))) {
        wrapped = guarded(wrapped, EntryKind::plain, name);
        return;
    }
    base = writable_table(base, 1);
    base->wrapper = guarded_function(base->wrapper, EntryKind::tuple, name);
}

// PyVectorcall_Call is CPython's own, but runs whatever the instance points to.
ternaryfunc guard_call_slot(ternaryfunc call, const char* type_name, const void* site) {
    const EntryName name(type_name, "tp_call");
    const bool on_functions = function_objects::is_type_of_them(type_name);
    if (call != PyVectorcall_Call)
        return guarded_function(call, on_functions ? EntryKind::function_object : EntryKind::tuple,
                                name);
    return reinterpret_cast<ternaryfunc>(
        guarded(reinterpret_cast<void*>(call), EntryKind::foreign, name, site));
}

void guard_type(PyTypeObject* type) {
    if (type == nullptr || (type->tp_flags & Py_TPFLAGS_READY) != 0 || TrustedCode::contains(type))
        return;
    guard_type(type->tp_base);
    keep_default_free(type);
    keep_default_alloc(type);
    const char* const name = type->tp_name;
    type->tp_call = guard_call_slot(type->tp_call, name, type);
    for (const SlotRow& row : type_slots)
        guard_slot(type, row);
    type->tp_as_number = guard_suite(type->tp_as_number, name);
    type->tp_as_sequence = guard_suite(type->tp_as_sequence, name);
    type->tp_as_mapping = guard_suite(type->tp_as_mapping, name);
    type->tp_as_async = guard_suite(type->tp_as_async, name);
    type->tp_as_buffer = guard_suite(type->tp_as_buffer, name);
    type->tp_methods = guard_methods(type->tp_methods, name);
    type->tp_getset = guard_getsets(type->tp_getset, name);
}

namespace {

void guard_vectorcall(PyTypeObject* type) {
    if ((type->tp_flags & Py_TPFLAGS_HAVE_VECTORCALL) == 0)
        return;
    // The instances' pointer is CPython's own where the layout came from one of its types (type,
    // builtin functions).
    const PyTypeObject* base = type->tp_base;
    if (base != nullptr && base->tp_vectorcall_offset == type->tp_vectorcall_offset &&
        TrustedCode::contains(base))
        return;
    type->tp_flags &= ~Py_TPFLAGS_HAVE_VECTORCALL;
    type->tp_call = guard_call_slot(type->tp_call, type->tp_name, type);
}

// The memory of objects that several threads held is given back with delay; see quarantine.hpp.
void guard_free(PyTypeObject* type) {
    const auto* const deallocator = reinterpret_cast<const void*>(type->tp_dealloc);
    if (!thunk_pool::is_thunk(deallocator) || !thunk_pool::is_guarding(deallocator))
        return;
    if (type->tp_free == PyObject_Free)
        type->tp_free = quarantine::free_object;
    else if (type->tp_free == PyObject_GC_Del)
        type->tp_free = quarantine::free_collected_object;
}

}  // namespace

void guard_ready_type(PyTypeObject* type) {
    guard_vectorcall(type);
    guard_free(type);
}

namespace {

template <typename Suite>
void copy_suite(const Suite* suite, Suite& copy) {
    if (suite != nullptr)
        copy = *suite;
}

void* slot_at(const PyTypeObject& type, std::size_t offset) {
    return *reinterpret_cast<void* const*>(reinterpret_cast<const char*>(&type) + offset);
}

// `before` is the suite that the type had, and `copy` what stood in it. A suite that was put there
// since is taken as new from end to end.
template <typename Suite>
void guard_changed_suite(Suite*& suite, const Suite* before, const Suite& copy,
                         const char* type_name) {
    if (suite != before) {
        suite = guard_suite(suite, type_name);
        return;
    }
    const auto* slots = reinterpret_cast<void* const*>(suite);
    const auto* old_slots = reinterpret_cast<void* const*>(&copy);
    for (std::size_t i = 0; suite != nullptr && i < sizeof(Suite) / sizeof(void*); ++i) {
        if (slots[i] != old_slots[i])
            guard_suite_slot(suite, i, type_name);
    }
}

}  // namespace

TypeSnapshot::TypeSnapshot(PyTypeObject* type) : type_(type), slots_(*type) {
    copy_suite(type->tp_as_number, number_);
    copy_suite(type->tp_as_sequence, sequence_);
    copy_suite(type->tp_as_mapping, mapping_);
    copy_suite(type->tp_as_async, async_);
    copy_suite(type->tp_as_buffer, buffer_);
}

void TypeSnapshot::guard_changes() const {
    const char* const name = type_->tp_name;
    if (type_->tp_call != slots_.tp_call)
        type_->tp_call = guard_call_slot(type_->tp_call, type_->tp_name, type_);
    for (const SlotRow& row : type_slots) {
        if (slot_at(*type_, row.offset) != slot_at(slots_, row.offset))
            guard_slot(type_, row);
    }
    guard_changed_suite(type_->tp_as_number, slots_.tp_as_number, number_, name);
    guard_changed_suite(type_->tp_as_sequence, slots_.tp_as_sequence, sequence_, name);
    guard_changed_suite(type_->tp_as_mapping, slots_.tp_as_mapping, mapping_, name);
    guard_changed_suite(type_->tp_as_async, slots_.tp_as_async, async_, name);
    guard_changed_suite(type_->tp_as_buffer, slots_.tp_as_buffer, buffer_, name);
    guard_ready_type(type_);
}

}  // namespace pythonnogil::shim
