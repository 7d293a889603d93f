// The thunks and their pool, with a dispatcher of the tests instead of the guard. Also built for
// AArch64, where it runs under an emulator; see thunks.cmake.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "shim/thunk_pool.hpp"

#if defined(__aarch64__)
#include <sys/auxv.h>

#include <csetjmp>
#endif

namespace pythonnogil::shim {

// The pool only keeps its address.
class Domain {};

namespace {

using Arguments = std::array<std::intptr_t, 6>;

constexpr Arguments some_arguments = {1, -2, 3, INTPTR_MIN, INTPTR_MAX, 6};

Domain domain;
const Entry* entered = nullptr;
Arguments passed{};
std::uintptr_t stack_at_call = 1;

}  // namespace

extern "C" {
extern const char pythonnogil_thunks[] __attribute__((visibility("hidden")));
extern Entry pythonnogil_entries[thunk_count] __attribute__((visibility("hidden")));

__attribute__((visibility("hidden"))) std::intptr_t pythonnogil_dispatch(
    std::intptr_t a0, std::intptr_t a1, std::intptr_t a2, std::intptr_t a3, std::intptr_t a4,
    std::intptr_t a5, const Entry* entry) {
    stack_at_call = reinterpret_cast<std::uintptr_t>(__builtin_dwarf_cfa());
    entered = entry;
    passed = {a0, a1, a2, a3, a4, a5};
    return entry->kind == EntryKind::foreign ? 42 : entry->function(a0, a1, a2, a3, a4, a5);
}

// Calls `function` with a known value in each register that a function must keep, and stores what
// is in them afterwards.
void call_with_known_registers(void* function, std::uintptr_t* after);
}

namespace {

#if defined(__x86_64__)
constexpr std::size_t kept_registers = 6;
#else
constexpr std::size_t kept_registers = 11;
#endif

EntryFunction as_function(void* thunk) {
    return reinterpret_cast<EntryFunction>(thunk);
}

void* thunk_for(EntryFunction function) {
    return thunk_pool::claim(reinterpret_cast<void*>(function), EntryKind::plain, {&domain},
                             "test");
}

std::intptr_t call(void* thunk, const Arguments& arguments = some_arguments) {
    return as_function(thunk)(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                              arguments[5]);
}

std::intptr_t return_a_value(std::intptr_t, std::intptr_t, std::intptr_t, std::intptr_t,
                             std::intptr_t, std::intptr_t) {
    return INTPTR_MIN + 7;
}

std::intptr_t throw_an_error(std::intptr_t, std::intptr_t, std::intptr_t, std::intptr_t,
                             std::intptr_t, std::intptr_t) {
    throw std::runtime_error("from inside");
}

std::intptr_t end_the_thread(std::intptr_t, std::intptr_t, std::intptr_t, std::intptr_t,
                             std::intptr_t, std::intptr_t) {
    pthread_exit(nullptr);
}

// The caller that a walk along the stack must reach, and how often it did and did not.
std::intptr_t (*expected_caller)(void*) = nullptr;
int walks_that_arrived = 0;
int walks_that_did_not = 0;

// Allocates nothing itself: it is called in a signal handler.
bool reaches_the_caller() {
    bool reached = false;
    _Unwind_Backtrace(
        [](_Unwind_Context* context, void* found) {
            void* const address = reinterpret_cast<void*>(_Unwind_GetIP(context) - 1);
            if (_Unwind_FindEnclosingFunction(address) ==
                reinterpret_cast<const void*>(expected_caller))
                *static_cast<bool*>(found) = true;
            return _URC_NO_REASON;
        },
        &reached);
    return reached;
}

void walk_the_stack() {
    ++(reaches_the_caller() ? walks_that_arrived : walks_that_did_not);
}

std::intptr_t walk_from_inside(std::intptr_t, std::intptr_t, std::intptr_t, std::intptr_t,
                               std::intptr_t, std::intptr_t) {
    walk_the_stack();
    return 1;
}

// Adds to the result, so that the call is no tail call.
__attribute__((noinline)) std::intptr_t caller(void* thunk) {
    return call(thunk) + 1;
}

struct Mark {
    ~Mark() { *ended = true; }
    bool* ended;
};

TEST(Thunks, PassArgumentsAndResult) {
    EXPECT_EQ(call(thunk_for(return_a_value)), INTPTR_MIN + 7);
    EXPECT_EQ(passed, some_arguments);
}

TEST(Thunks, KeepRegistersAndAlignTheStack) {
    std::array<std::uintptr_t, kept_registers> after{};
    call_with_known_registers(thunk_for(return_a_value), after.data());
    for (std::size_t i = 0; i < kept_registers; ++i)
        EXPECT_EQ(after[i], i + 1);
    EXPECT_EQ(stack_at_call % 16, 0U);
}

TEST(Thunks, LetExceptionsPass) {
    void* const thunk = thunk_for(throw_an_error);
    bool unwound = false;
    try {
        const Mark mark{&unwound};
        call(thunk);
        FAIL() << "no exception";
    } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "from inside");
    }
    EXPECT_TRUE(unwound);
}

TEST(Thunks, LetForcedUnwindingPass) {
    bool unwound = false;
    std::thread([&] {
        const Mark mark{&unwound};
        call(thunk_for(end_the_thread));
    }).join();
    EXPECT_TRUE(unwound);
}

TEST(Thunks, ShowTheCallerBehindThem) {
    expected_caller = caller;
    walks_that_arrived = walks_that_did_not = 0;
    EXPECT_EQ(caller(thunk_for(walk_from_inside)), 2);
    EXPECT_EQ(walks_that_arrived, 1);
    EXPECT_EQ(walks_that_did_not, 0);
}

#if defined(__x86_64__)

extern "C" const char pythonnogil_guarded_call[] __attribute__((visibility("hidden")));

constexpr greg_t single_step = 0x100;
bool stepping = false;

// Comes after every instruction while stepping.
void on_step(int, siginfo_t*, void* context) {
    auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    registers[REG_EFL] =
        stepping ? registers[REG_EFL] | single_step : registers[REG_EFL] & ~single_step;
    const auto* at = reinterpret_cast<const char*>(registers[REG_RIP]);
    if (at >= pythonnogil_thunks && at < pythonnogil_guarded_call + 16)
        walk_the_stack();
}

// Debuggers and profilers stop anywhere, not only where calls return to.
TEST(Thunks, ShowTheCallerAtEveryInstruction) {
    expected_caller = caller;
    walks_that_arrived = walks_that_did_not = 0;
    struct sigaction action {};
    action.sa_sigaction = on_step;
    action.sa_flags = SA_SIGINFO;
    ASSERT_EQ(sigaction(SIGTRAP, &action, nullptr), 0);
    void* const thunk = thunk_for(return_a_value);
    reaches_the_caller();  // the unwinder allocates in its first walk
    stepping = true;
    raise(SIGTRAP);
    caller(thunk);
    stepping = false;
    raise(SIGTRAP);
    EXPECT_EQ(walks_that_arrived, 7);
    EXPECT_EQ(walks_that_did_not, 0);
}

#elif defined(__aarch64__)

constexpr unsigned long cpu_has_branch_targets = 1UL << 17;  // HWCAP2_BTI of the kernel
constexpr int protect_branch_targets = 0x10;                 // PROT_BTI

sigjmp_buf before_the_call;

// Calls in memory where an indirect branch may only lead to a landing pad.
bool can_be_called(void* address) {
    if (sigsetjmp(before_the_call, 1) != 0)
        return false;
    as_function(address)(1, 2, 3, 4, 5, 6);
    return true;
}

TEST(Thunks, AreLandingPads) {
    if ((getauxval(AT_HWCAP2) & cpu_has_branch_targets) == 0)
        GTEST_SKIP() << "this processor does not check branch targets";
    auto* const thunk = static_cast<char*>(thunk_for(return_a_value));
    const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    const std::uintptr_t begin = reinterpret_cast<std::uintptr_t>(thunk) & ~(page - 1);
    ASSERT_EQ(mprotect(reinterpret_cast<void*>(begin), page,
                       PROT_READ | PROT_EXEC | protect_branch_targets),
              0);
    struct sigaction action {};
    action.sa_handler = [](int) { siglongjmp(before_the_call, 1); };
    ASSERT_EQ(sigaction(SIGILL, &action, nullptr), 0);
    EXPECT_TRUE(can_be_called(thunk));
    EXPECT_FALSE(can_be_called(thunk + 4));
}

#endif

TEST(ThunkPool, KnowsItsThunks) {
    void* const thunk = thunk_for(return_a_value);
    EXPECT_EQ(thunk_for(return_a_value), thunk);
    EXPECT_NE(thunk_for(throw_an_error), thunk);
    EXPECT_TRUE(thunk_pool::is_thunk(thunk));
    EXPECT_FALSE(thunk_pool::is_thunk(
        reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(pythonnogil_thunks) - 1)));
    EXPECT_EQ(thunk_pool::target_of(thunk), reinterpret_cast<void*>(return_a_value));
    EXPECT_EQ(thunk_pool::target_of(&domain), &domain);
}

TEST(ThunkPool, TellsFunctionsApartByTheirOwnNames) {
    using thunk_pool::NameOf;
    const auto claim = [](const std::string& name, NameOf name_of) {
        return thunk_pool::claim(reinterpret_cast<void*>(return_a_value), EntryKind::vector,
                                 {&domain}, name, name_of);
    };
    EXPECT_EQ(claim("A.tp_repr", NameOf::slot), claim("B.tp_repr", NameOf::slot));
    void* const thunk = claim("A.get", NameOf::function);
    EXPECT_EQ(claim("A.get", NameOf::function), thunk);
    EXPECT_NE(claim("A.set", NameOf::function), thunk);
    call(thunk);
    EXPECT_STREQ(entered->name, "A.get");
    // Opening one leaves the others guarded.
    thunk_pool::open(thunk);
    EXPECT_TRUE(thunk_pool::is_guarding(claim("A.set", NameOf::function)));
    EXPECT_NE(claim("A.get", NameOf::function), thunk);
}

TEST(ThunkPool, CountlessNamesShareAThunkInTheEnd) {
    std::set<void*> thunks;
    for (int number = 0; number < 9000; ++number)
        thunks.insert(thunk_pool::claim(reinterpret_cast<void*>(throw_an_error), EntryKind::tuple,
                                        {&domain}, std::to_string(number),
                                        thunk_pool::NameOf::function));
    EXPECT_GT(thunks.size(), 4000U);
    EXPECT_LT(thunks.size(), 5000U);
}

TEST(ThunkPool, OpensAThunkForOneModuleOnly) {
    void* const thunk = thunk_for(return_a_value);
    thunk_pool::open(thunk);
    call(thunk);
    EXPECT_EQ(entered->access, Access::open);
    void* const guarded = thunk_for(return_a_value);
    EXPECT_NE(guarded, thunk);
    call(guarded);
    EXPECT_EQ(entered->access, Access::exclusive);
    EXPECT_EQ(entered->domain, &domain);
}

// Last, because the pool is one for the whole process and is empty afterwards.
TEST(ThunkPool, HandsOutEveryThunkOnceAndThenRefuses) {
    std::vector<void*> thunks;
    std::uintptr_t address = 1;
    EXPECT_THROW(
        {
            while (thunks.size() <= thunk_count)
                thunks.push_back(thunk_pool::claim(reinterpret_cast<void*>(address++),
                                                   EntryKind::foreign, {&domain}, "test"));
        },
        ThunkPoolExhausted);
    const std::size_t used_before = thunk_count - thunks.size();
    for (std::size_t i = 0; i < thunks.size(); ++i) {
        ASSERT_EQ(call(thunks[i]), 42);
        ASSERT_EQ(entered, &pythonnogil_entries[used_before + i]);
    }
    EXPECT_EQ(entered, &pythonnogil_entries[thunk_count - 1]);
    EXPECT_FALSE(thunk_pool::is_thunk(static_cast<char*>(thunks.back()) + 16));
}

}  // namespace
}  // namespace pythonnogil::shim
