#include "shim/trace_text.hpp"

#include <gtest/gtest.h>

namespace pythonnogil::shim::trace {

namespace {

TEST(TraceText, QuotesWhatJsonDoesNotAllow) {
    EXPECT_EQ(quoted("plain"), "\"plain\"");
    EXPECT_EQ(quoted("a\"b\\c"), R"("a\"b\\c")");
    EXPECT_EQ(quoted("line\nfeed\x01"), R"("line\u000afeed\u0001")");
    EXPECT_EQ(quoted("\xff\x7f"), R"("\u00ff\u007f")");
    EXPECT_EQ(quoted(""), "\"\"");
}

TEST(TraceText, WritesASpan) {
    std::string lines;
    append_span(lines, {7, 8, 1'234'567, 1'002, "hold", "Thing.spin", "fixture"});
    EXPECT_EQ(lines,
              "{\"ph\":\"X\",\"pid\":7,\"tid\":8,\"ts\":1234.567,\"dur\":1.002,\"cat\":\"hold\","
              "\"name\":\"Thing.spin\",\"args\":{\"module\":\"fixture\"}},\n");
}

TEST(TraceText, WritesASpanOfNoModule) {
    std::string lines;
    append_span(lines, {7, 8, 0, 5, "lease", "GIL lease", ""});
    EXPECT_EQ(lines,
              "{\"ph\":\"X\",\"pid\":7,\"tid\":8,\"ts\":0.000,\"dur\":0.005,"
              "\"cat\":\"lease\",\"name\":\"GIL lease\"},\n");
}

TEST(TraceText, WritesNames) {
    std::string lines;
    append_process_name(lines, 7, "python");
    append_thread_name(lines, 7, 8, "worker");
    EXPECT_EQ(lines,
              "{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":7,\"tid\":7,"
              "\"args\":{\"name\":\"python\"}},\n"
              "{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":7,\"tid\":8,"
              "\"args\":{\"name\":\"worker\"}},\n");
}

TEST(TraceText, EndsTheArray) {
    std::string lines;
    append_end(lines, 7, 8, 9'000, "that is all");
    EXPECT_EQ(lines,
              "{\"ph\":\"i\",\"s\":\"g\",\"pid\":7,\"tid\":8,\"ts\":9.000,\"cat\":\"trace\","
              "\"name\":\"that is all\"}\n]\n");
}

}  // namespace

}  // namespace pythonnogil::shim::trace
