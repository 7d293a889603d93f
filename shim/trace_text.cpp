#include "shim/trace_text.hpp"

#include <fmt/format.h>

#include <iterator>

namespace pythonnogil::shim::trace {

namespace {

// Traces count in microseconds.
void append_time(std::string& lines, std::string_view key, std::int64_t ns) {
    fmt::format_to(std::back_inserter(lines), ",\"{}\":{}.{:03}", key, ns / 1000, ns % 1000);
}

void append_metadata(std::string& lines, std::string_view what, long process, long thread,
                     std::string_view name) {
    fmt::format_to(
        std::back_inserter(lines),
        "{{\"ph\":\"M\",\"name\":\"{}\",\"pid\":{},\"tid\":{},\"args\":{{\"name\":{}}}}},\n", what,
        process, thread, quoted(name));
}

}  // namespace

std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char character : text) {
        const auto code = static_cast<unsigned char>(character);
        if (character == '"' || character == '\\')
            result.append({'\\', character});
        else if (code < 0x20 || code >= 0x7f)
            fmt::format_to(std::back_inserter(result), "\\u{:04x}", code);
        else
            result.push_back(character);
    }
    return result + '"';
}

void append_span(std::string& lines, const Span& span) {
    fmt::format_to(std::back_inserter(lines), "{{\"ph\":\"X\",\"pid\":{},\"tid\":{}", span.process,
                   span.thread);
    append_time(lines, "ts", span.begin_ns);
    append_time(lines, "dur", static_cast<std::int64_t>(span.duration_ns));
    fmt::format_to(std::back_inserter(lines), ",\"cat\":\"{}\",\"name\":{}", span.category,
                   quoted(span.function));
    if (!span.module.empty())
        fmt::format_to(std::back_inserter(lines), ",\"args\":{{\"module\":{}}}",
                       quoted(span.module));
    lines += "},\n";
}

void append_process_name(std::string& lines, long process, std::string_view name) {
    append_metadata(lines, "process_name", process, process, name);
}

void append_thread_name(std::string& lines, long process, long thread, std::string_view name) {
    append_metadata(lines, "thread_name", process, thread, name);
}

void append_end(std::string& lines, long process, long thread, std::int64_t at_ns,
                std::string_view why) {
    fmt::format_to(std::back_inserter(lines), "{{\"ph\":\"i\",\"s\":\"g\",\"pid\":{},\"tid\":{}",
                   process, thread);
    append_time(lines, "ts", at_ns);
    fmt::format_to(std::back_inserter(lines), ",\"cat\":\"trace\",\"name\":{}}}\n]\n", quoted(why));
}

}  // namespace pythonnogil::shim::trace
