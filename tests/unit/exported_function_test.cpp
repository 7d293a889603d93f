// What dlsym finds in a file after one of its functions was replaced.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include "elf_fixture.hpp"
#include "provider.h"
#include "shim/exported_function.hpp"

namespace pythonnogil::shim {
namespace {

int replacement() {
    return 1000;
}

void* replace(const LoadedFixture& library, const char* symbol) {
    return replace_exported_function(library.handle(), symbol,
                                     reinterpret_cast<void*>(&replacement));
}

TEST(ExportedFunction, IsReplacedForWhoeverLooksItUp) {
    const LoadedFixture library("provider");
    void* const own = replace(library, "provider_called");
    EXPECT_EQ(reinterpret_cast<int (*)()>(own)(), 1);
    EXPECT_EQ(library.call("provider_called"), 1000);
    EXPECT_EQ(library.call("provider_stored"), 2);
}

TEST(ExportedFunction, IsRememberedWhenItIsReplacedAgain) {
    const LoadedFixture library("provider");
    void* const own = replace(library, "provider_called");
    EXPECT_EQ(replace(library, "provider_called"), own);
    EXPECT_EQ(library.call("provider_called"), 1000);
}

TEST(ExportedFunction, MayBeAbsent) {
    const LoadedFixture library("provider");
    EXPECT_EQ(replace(library, "no_such_function"), nullptr);
}

}  // namespace
}  // namespace pythonnogil::shim
