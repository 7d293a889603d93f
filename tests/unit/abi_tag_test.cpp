#include "policy/abi_tag.hpp"

#include <gtest/gtest.h>

namespace pythonnogil::policy {
namespace {

constexpr AbiTag free_threaded{3, 13, true};
constexpr AbiTag with_gil{3, 13, false};

TEST(AbiMismatch, AcceptsNamesThatFitOrSayNothing) {
    for (const char* file : {"/lib/m.cpython-313t-x86_64-linux-gnu.so", "m.so", "m.abi3t.so",
                             "/odd.cpython-312-dir/m.so", "m.cpython-313td-x86_64-linux-gnu.so"})
        EXPECT_EQ(abi_mismatch(file, free_threaded), std::nullopt) << file;
}

TEST(AbiMismatch, RefusesOtherBuilds) {
    for (const char* file :
         {"/lib/m.abi3.so", "m.cpython-313-x86_64-linux-gnu.so",
          "m.cpython-314t-x86_64-linux-gnu.so", "m.cpython-313d-x86_64-linux-gnu.so"})
        EXPECT_NE(abi_mismatch(file, free_threaded), std::nullopt) << file;
}

TEST(AbiMismatch, SaysWhatTheFileIsAndWhatToDo) {
    EXPECT_EQ(abi_mismatch("m.cpython-312-x86_64-linux-gnu.so", free_threaded),
              "is built for CPython 3.12, not for this free-threaded interpreter; "
              "build it from source for CPython 3.13t");
}

TEST(AbiMismatch, LeavesAGilBuildAlone) {
    EXPECT_EQ(abi_mismatch("m.abi3.so", with_gil), std::nullopt);
    EXPECT_EQ(abi_mismatch("m.cpython-312-x86_64-linux-gnu.so", with_gil), std::nullopt);
}

}  // namespace
}  // namespace pythonnogil::policy
