// Reads what a tiny accessor function reads, without calling it.
//
// Each guarded call asks for the calling thread's state. PyThreadState_GetUnchecked() is two
// instructions, but a call all the same: everything that the guarded function gets in registers
// would have to be saved around it, which costs more than taking the guard.
//
// Thread-safety: any thread. Errors: none; code of another form is not understood, and has to be
// called. Knows nothing of CPython, so that it is tested without an interpreter.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace pythonnogil::shim::thread_accessor {

// A variable's distance from the thread pointer; 0 for none, since a thread's own control block
// begins there.
using Offset = std::ptrdiff_t;

namespace x86_64 {

inline constexpr std::array<std::uint8_t, 4> landing_pad{0xf3, 0x0f, 0x1e, 0xfa};  // endbr64
inline constexpr std::array<std::uint8_t, 5> load{0x64, 0x48, 0x8b, 0x04, 0x25};   // mov %fs:
inline constexpr std::uint8_t ret = 0xc3;

// What `code` reads if it is `mov %fs:offset, %rax; ret`, with or without a landing pad before. It
// looks at no byte behind the first one that differs.
inline Offset offset_read_by(const std::uint8_t* code) {
    if (std::equal(landing_pad.begin(), landing_pad.end(), code))
        code += landing_pad.size();
    std::int32_t offset = 0;
    const std::uint8_t* const operand = code + load.size();
    if (!std::equal(load.begin(), load.end(), code) || operand[sizeof offset] != ret)
        return 0;
    std::memcpy(&offset, operand, sizeof offset);
    return offset;
}

}  // namespace x86_64

// The variable that the function returns, or 0.
template <class T>
Offset offset_read_by(T* (*function)()) {
#ifdef __x86_64__
    return x86_64::offset_read_by(reinterpret_cast<const std::uint8_t*>(function));
#else
    static_cast<void>(function);
    return 0;
#endif
}

// The calling thread's value of the variable at `offset`, which must not be 0.
template <class T>
T* read(Offset offset) {
    auto* const address = static_cast<char*>(__builtin_thread_pointer()) + offset;
    return __atomic_load_n(reinterpret_cast<T**>(address), __ATOMIC_RELAXED);
}

}  // namespace pythonnogil::shim::thread_accessor
