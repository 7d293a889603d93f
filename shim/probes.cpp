#include "shim/probes.hpp"

#ifdef PYTHONNOGIL_HAS_PROBES

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

// One word, so that one load tells whether any probe is watched.
asm(R"(
    .pushsection .probes, "aw", "progbits"
    .balign 8
    .hidden pythonnogil_semaphores
    .hidden pythonnogil_hold_begin_semaphore
    .hidden pythonnogil_hold_end_semaphore
    .hidden pythonnogil_wait_begin_semaphore
    .hidden pythonnogil_wait_end_semaphore
    .globl pythonnogil_semaphores
    .globl pythonnogil_hold_begin_semaphore
    .globl pythonnogil_hold_end_semaphore
    .globl pythonnogil_wait_begin_semaphore
    .globl pythonnogil_wait_end_semaphore
pythonnogil_semaphores:
pythonnogil_hold_begin_semaphore:
    .short 0
pythonnogil_hold_end_semaphore:
    .short 0
pythonnogil_wait_begin_semaphore:
    .short 0
pythonnogil_wait_end_semaphore:
    .short 0
    .popsection
)");

// The macros name them.
extern "C" {
#define SEMAPHORE(probe) \
    extern unsigned short pythonnogil_##probe##_semaphore __attribute__((visibility("hidden")))
SEMAPHORE(hold_begin);
SEMAPHORE(hold_end);
SEMAPHORE(wait_begin);
SEMAPHORE(wait_end);
#undef SEMAPHORE
}

namespace pythonnogil::shim::probes {

namespace {

const char* module_of(const Entry& entry) {
    return thunk_pool::origin_of(entry).module.c_str();
}

}  // namespace

void hold_begin(const Entry& entry) {
    DTRACE_PROBE2(pythonnogil, hold_begin, entry.name, module_of(entry));
}

void hold_end(const Entry& entry, std::uint64_t ns) {
    DTRACE_PROBE3(pythonnogil, hold_end, entry.name, module_of(entry), ns);
}

void wait_begin(const Entry& entry) {
    DTRACE_PROBE2(pythonnogil, wait_begin, entry.name, module_of(entry));
}

void wait_end(const Entry& entry, std::uint64_t ns) {
    DTRACE_PROBE3(pythonnogil, wait_end, entry.name, module_of(entry), ns);
}

}  // namespace pythonnogil::shim::probes

#endif
