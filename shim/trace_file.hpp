// The file that a trace is written to, up to a limit. What is written stays valid JSON but for the
// bracket at the end, so a trace of a process that crashed can be read as well.
//
// Thread-safety: one thread at a time. Errors: open() throws std::system_error; the others report a
// failure once, as a warning, and then write nothing more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace pythonnogil::shim::trace {

class TraceFile {
  public:
    // "%p" in the name of the file stands for the number of the process.
    TraceFile(std::string name, std::uint64_t limit) : name_(std::move(name)), limit_(limit) {}
    TraceFile(const TraceFile&) = delete;
    TraceFile& operator=(const TraceFile&) = delete;

    // Truncates the file and begins it.
    void open();
    bool is_open() const { return descriptor_ >= 0; }

    // Whether the trace may grow by so much and still be ended.
    bool has_room_for(std::size_t bytes) const;
    std::uint64_t limit() const { return limit_; }

    // Writes whole lines.
    void write(const std::string& lines);

    void close();

    // In the child of a fork: leaves the file to the parent. The child's own one has the number of
    // the process in its name.
    void leave_to_parent();

  private:
    int write_all(const std::string& lines);
    void give_up(int error);

    std::string name_;
    std::string path_;
    std::uint64_t limit_;
    std::uint64_t written_ = 0;
    int descriptor_ = -1;
};

}  // namespace pythonnogil::shim::trace
