#include "shim/numpy_ufuncs.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <vector>

#include "shim/attempt.hpp"
#include "shim/elf_image.hpp"
#include "shim/guarded_tables.hpp"

namespace pythonnogil::shim::numpy_ufuncs {

namespace {

using Loop = void (*)(char**, const std::intptr_t*, const std::intptr_t*, void*);

// More than any numpy has. What lies behind the table is copied along, and not used.
constexpr std::size_t table_size = 128;

constexpr std::size_t from_data_at = 1;
constexpr std::size_t register_loop_at = 2;
constexpr std::size_t replace_loop_at = 30;
constexpr std::size_t from_data_and_signature_at = 31;
constexpr std::size_t register_descr_loop_at = 41;
constexpr std::size_t from_data_and_identity_at = 42;

struct Tables {
    void** numpys;
    ElfImage numpy;
    void* copy[table_size];
};

std::atomic<Tables*> tables{nullptr};

template <typename Function>
Function original(std::size_t place) {
    return reinterpret_cast<Function>(tables.load(std::memory_order_acquire)->numpys[place]);
}

// numpy has loops of its own for others to use, which need no guard.
Loop guarded_loop(Loop loop) {
    const auto* address = reinterpret_cast<const void*>(loop);
    if (tables.load(std::memory_order_acquire)->numpy.contains(address))
        return loop;
    return guarded_function(loop, EntryKind::inner_loop, EntryName("ufunc loop"));
}

// numpy keeps the array that it is given for as long as there is the ufunc, so this one is never
// freed. The given one may be in read-only memory. False, with an exception set, on failure.
bool guard_loops(Loop*& loops, int count) {
    return attempt([&] {
        if (loops == nullptr || count <= 0)
            return;
        auto* const guarded = new Loop[count];
        std::transform(loops, loops + count, guarded, guarded_loop);
        loops = guarded;
    });
}

bool guard_loop(Loop& loop) {
    return attempt([&] { loop = guarded_loop(loop); });
}

// A function of numpy's that makes a ufunc: its first argument are the loops, the fourth says how
// many.
template <std::size_t place, typename... Rest>
PyObject* make_ufunc(Loop* loops, void* const* data, const char* types, int count, Rest... rest) {
    using Original = PyObject* (*)(Loop*, void* const*, const char*, int, Rest...);
    return guard_loops(loops, count) ? original<Original>(place)(loops, data, types, count, rest...)
                                     : nullptr;
}

// One that gives a ufunc a loop for further types.
template <std::size_t place, typename Type, typename Types>
int register_loop(PyObject* ufunc, Type type, Loop loop, Types types, void* data) {
    using Original = int (*)(PyObject*, Type, Loop, Types, void*);
    return guard_loop(loop) ? original<Original>(place)(ufunc, type, loop, types, data) : -1;
}

int replace_loop(PyObject* ufunc, Loop loop, const int* signature, Loop* old_loop) {
    using Original = int (*)(PyObject*, Loop, const int*, Loop*);
    return guard_loop(loop) ? original<Original>(replace_loop_at)(ufunc, loop, signature, old_loop)
                            : -1;
}

template <typename Function>
void* address_of(Function function) {
    return reinterpret_cast<void*>(function);
}

void put_ours(void** table) {
    using Text = const char*;
    table[from_data_at] = address_of(&make_ufunc<from_data_at, int, int, int, Text, Text, int>);
    table[from_data_and_signature_at] =
        address_of(&make_ufunc<from_data_and_signature_at, int, int, int, Text, Text, int, Text>);
    table[from_data_and_identity_at] = address_of(
        &make_ufunc<from_data_and_identity_at, int, int, int, Text, Text, int, Text, PyObject*>);
    table[register_loop_at] = address_of(&register_loop<register_loop_at, int, const int*>);
    table[register_descr_loop_at] =
        address_of(&register_loop<register_descr_loop_at, PyObject*, PyObject**>);
    table[replace_loop_at] = address_of(&replace_loop);
}

bool is_numpys(PyObject* capsule) {
    PyObject* module = nullptr;
    PyObject* found = nullptr;
    if (PyDict_GetItemStringRef(PyImport_GetModuleDict(), "numpy._core._multiarray_umath",
                                &module) < 0 ||
        (module != nullptr && PyObject_GetOptionalAttrString(module, "_UFUNC_API", &found) < 0))
        PyErr_Clear();
    Py_XDECREF(module);
    Py_XDECREF(found);
    return found == capsule;
}

void copy_table(void** numpys) {
    static std::mutex mutex;  // never held while Python code runs
    const std::optional<ElfImage> numpy = ElfImage::containing(numpys);
    const std::lock_guard lock(mutex);
    if (!numpy || tables.load(std::memory_order_relaxed) != nullptr)
        return;
    auto* const both = new Tables{numpys, *numpy, {}};
    for (std::size_t i = 0; i < table_size && numpy->contains(numpys + i, sizeof(void*)); ++i)
        both->copy[i] = numpys[i];
    put_ours(both->copy);
    tables.store(both, std::memory_order_release);
}

}  // namespace

void* table_for_legacy_code(PyObject* capsule, void* pointer) {
    Tables* known = tables.load(std::memory_order_acquire);
    if (known == nullptr && is_numpys(capsule)) [[unlikely]] {
        copy_table(static_cast<void**>(pointer));
        known = tables.load(std::memory_order_acquire);
    }
    return known != nullptr && pointer == known->numpys ? known->copy : pointer;
}

}  // namespace pythonnogil::shim::numpy_ufuncs
