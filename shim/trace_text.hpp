// Events as lines of a Chrome trace: the JSON array format, which Perfetto opens too. Each line
// ends with a comma, because a trace need not have an end.
//
// Thread-safety: pure functions. Errors: std::bad_alloc. Source: "Trace Event Format", the document
// of the Chromium project.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pythonnogil::shim::trace {

struct Span {
    long process;
    long thread;
    std::int64_t begin_ns;
    std::uint64_t duration_ns;
    const char* category;
    std::string_view function;
    std::string_view module;  // empty: none
};

// In quotes. What is not ASCII is taken for Latin-1, so that any name makes valid JSON.
std::string quoted(std::string_view text);

void append_span(std::string& lines, const Span& span);
void append_process_name(std::string& lines, long process, std::string_view name);
void append_thread_name(std::string& lines, long process, long thread, std::string_view name);

// What ends the array: a mark at the given time that says why, without a comma.
void append_end(std::string& lines, long process, long thread, std::int64_t at_ns,
                std::string_view why);

}  // namespace pythonnogil::shim::trace
