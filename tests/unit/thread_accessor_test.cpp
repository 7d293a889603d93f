#include "shim/thread_accessor.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace {

using pythonnogil::shim::thread_accessor::Offset;
namespace thread_accessor = pythonnogil::shim::thread_accessor;

#ifdef __x86_64__

constexpr std::uint8_t ret = 0xc3;

std::vector<std::uint8_t> accessor() {
    return {0x64, 0x48, 0x8b, 0x04, 0x25, 0xf8, 0xff, 0xff, 0xff, ret};
}

Offset offset_read_by(const std::vector<std::uint8_t>& code) {
    return thread_accessor::x86_64::offset_read_by(code.data());
}

TEST(ThreadAccessor, UnderstandsALoadRelativeToTheThreadPointer) {
    EXPECT_EQ(offset_read_by(accessor()), -8);
}

TEST(ThreadAccessor, PassesOverALandingPad) {
    std::vector<std::uint8_t> code{0xf3, 0x0f, 0x1e, 0xfa};
    const auto rest = accessor();
    code.insert(code.end(), rest.begin(), rest.end());
    EXPECT_EQ(offset_read_by(code), -8);
}

TEST(ThreadAccessor, RefusesCodeThatDiffersInAnyInstruction) {
    for (const std::size_t differing : {0U, 1U, 2U, 3U, 4U, 9U}) {
        auto code = accessor();
        code[differing] ^= 1;
        EXPECT_EQ(offset_read_by(code), 0) << "byte " << differing;
    }
}

TEST(ThreadAccessor, RefusesACallOfTheDynamicLinker) {
    // push %rbp; lea variable(%rip), %rdi; call __tls_get_addr
    EXPECT_EQ(offset_read_by({0x55, 0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0xe8, 0, 0, 0, 0, ret}), 0);
}

#endif

[[gnu::tls_model("initial-exec")]] thread_local int* variable = nullptr;

TEST(ThreadAccessor, ReadsTheValueOfTheCallingThread) {
    const Offset offset =
        reinterpret_cast<char*>(&variable) - static_cast<char*>(__builtin_thread_pointer());
    int here = 0;
    variable = &here;
    EXPECT_EQ(thread_accessor::read<int>(offset), &here);
    std::thread([&] { EXPECT_EQ(thread_accessor::read<int>(offset), nullptr); }).join();
}

}  // namespace
