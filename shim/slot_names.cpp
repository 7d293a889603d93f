#include "shim/slot_names.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace pythonnogil::shim {

namespace {

struct NamedSlot {
    int slot;
    const char* name;
};

#define NAMED(slot) \
    { Py_##slot, #slot }

constexpr NamedSlot type_slots[] = {
    NAMED(bf_getbuffer),
    NAMED(bf_releasebuffer),
    NAMED(mp_ass_subscript),
    NAMED(mp_length),
    NAMED(mp_subscript),
    NAMED(nb_absolute),
    NAMED(nb_add),
    NAMED(nb_and),
    NAMED(nb_bool),
    NAMED(nb_divmod),
    NAMED(nb_float),
    NAMED(nb_floor_divide),
    NAMED(nb_index),
    NAMED(nb_inplace_add),
    NAMED(nb_inplace_and),
    NAMED(nb_inplace_floor_divide),
    NAMED(nb_inplace_lshift),
    NAMED(nb_inplace_multiply),
    NAMED(nb_inplace_or),
    NAMED(nb_inplace_power),
    NAMED(nb_inplace_remainder),
    NAMED(nb_inplace_rshift),
    NAMED(nb_inplace_subtract),
    NAMED(nb_inplace_true_divide),
    NAMED(nb_inplace_xor),
    NAMED(nb_int),
    NAMED(nb_invert),
    NAMED(nb_lshift),
    NAMED(nb_multiply),
    NAMED(nb_negative),
    NAMED(nb_or),
    NAMED(nb_positive),
    NAMED(nb_power),
    NAMED(nb_remainder),
    NAMED(nb_rshift),
    NAMED(nb_subtract),
    NAMED(nb_true_divide),
    NAMED(nb_xor),
    NAMED(sq_ass_item),
    NAMED(sq_concat),
    NAMED(sq_contains),
    NAMED(sq_inplace_concat),
    NAMED(sq_inplace_repeat),
    NAMED(sq_item),
    NAMED(sq_length),
    NAMED(sq_repeat),
    NAMED(tp_alloc),
    NAMED(tp_call),
    NAMED(tp_clear),
    NAMED(tp_dealloc),
    NAMED(tp_del),
    NAMED(tp_descr_get),
    NAMED(tp_descr_set),
    NAMED(tp_getattr),
    NAMED(tp_getattro),
    NAMED(tp_hash),
    NAMED(tp_init),
    NAMED(tp_iter),
    NAMED(tp_iternext),
    NAMED(tp_new),
    NAMED(tp_repr),
    NAMED(tp_richcompare),
    NAMED(tp_setattr),
    NAMED(tp_setattro),
    NAMED(tp_str),
    NAMED(tp_free),
    NAMED(nb_matrix_multiply),
    NAMED(nb_inplace_matrix_multiply),
    NAMED(am_await),
    NAMED(am_aiter),
    NAMED(am_anext),
    NAMED(tp_finalize),
    NAMED(am_send),
};

#undef NAMED

constexpr std::array number_slots{
    "nb_add",
    "nb_subtract",
    "nb_multiply",
    "nb_remainder",
    "nb_divmod",
    "nb_power",
    "nb_negative",
    "nb_positive",
    "nb_absolute",
    "nb_bool",
    "nb_invert",
    "nb_lshift",
    "nb_rshift",
    "nb_and",
    "nb_xor",
    "nb_or",
    "nb_int",
    "nb_reserved",
    "nb_float",
    "nb_inplace_add",
    "nb_inplace_subtract",
    "nb_inplace_multiply",
    "nb_inplace_remainder",
    "nb_inplace_power",
    "nb_inplace_lshift",
    "nb_inplace_rshift",
    "nb_inplace_and",
    "nb_inplace_xor",
    "nb_inplace_or",
    "nb_floor_divide",
    "nb_true_divide",
    "nb_inplace_floor_divide",
    "nb_inplace_true_divide",
    "nb_index",
    "nb_matrix_multiply",
    "nb_inplace_matrix_multiply",
};
static_assert(number_slots.size() == sizeof(PyNumberMethods) / sizeof(void*));

constexpr std::array sequence_slots{
    "sq_length",   "sq_concat",        "sq_repeat",   "sq_item",           "was_sq_slice",
    "sq_ass_item", "was_sq_ass_slice", "sq_contains", "sq_inplace_concat", "sq_inplace_repeat",
};
static_assert(sequence_slots.size() == sizeof(PySequenceMethods) / sizeof(void*));

constexpr std::array mapping_slots{
    "mp_length",
    "mp_subscript",
    "mp_ass_subscript",
};
static_assert(mapping_slots.size() == sizeof(PyMappingMethods) / sizeof(void*));

constexpr std::array async_slots{
    "am_await",
    "am_aiter",
    "am_anext",
    "am_send",
};
static_assert(async_slots.size() == sizeof(PyAsyncMethods) / sizeof(void*));

constexpr std::array buffer_slots{
    "bf_getbuffer",
    "bf_releasebuffer",
};
static_assert(buffer_slots.size() == sizeof(PyBufferProcs) / sizeof(void*));

}  // namespace

const char* type_slot_name(int slot) {
    const auto* const found = std::ranges::find(type_slots, slot, &NamedSlot::slot);
    return found == std::end(type_slots) ? "type slot" : found->name;
}

const char* suite_slot_name(const PyNumberMethods*, std::size_t index) {
    return number_slots[index];
}
const char* suite_slot_name(const PySequenceMethods*, std::size_t index) {
    return sequence_slots[index];
}
const char* suite_slot_name(const PyMappingMethods*, std::size_t index) {
    return mapping_slots[index];
}
const char* suite_slot_name(const PyAsyncMethods*, std::size_t index) {
    return async_slots[index];
}
const char* suite_slot_name(const PyBufferProcs*, std::size_t index) {
    return buffer_slots[index];
}

}  // namespace pythonnogil::shim
