#include "shim/trace_file.hpp"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "shim/log.hpp"
#include "shim/trace_text.hpp"

namespace pythonnogil::shim::trace {

namespace {

// What the mark at the end takes at most.
constexpr std::size_t room_for_end = 512;
constexpr std::string_view process_mark = "%p";

std::string with_process(std::string name) {
    const std::string number = std::to_string(::getpid());
    for (std::size_t at = name.find(process_mark); at != std::string::npos;
         at = name.find(process_mark, at + number.size()))
        name.replace(at, process_mark.size(), number);
    return name;
}

}  // namespace

void TraceFile::open() {
    path_ = with_process(name_);
    written_ = 0;
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor_ < 0)
        throw std::system_error(errno, std::generic_category(), path_);
    std::string beginning = "[\n";
    append_process_name(beginning, ::getpid(), program_invocation_short_name);
    if (const int error = write_all(beginning); error != 0) {
        ::close(descriptor_);
        descriptor_ = -1;
        throw std::system_error(error, std::generic_category(), path_);
    }
}

bool TraceFile::has_room_for(std::size_t bytes) const {
    return written_ + bytes + room_for_end <= limit_;
}

void TraceFile::write(const std::string& lines) {
    if (!is_open())
        return;
    if (const int error = write_all(lines); error != 0)
        give_up(error);
}

void TraceFile::close() {
    if (!is_open())
        return;
    // Some file systems tell only now that the disk is full.
    if (::close(descriptor_) != 0)
        log_warning("trace: " + path_ + ": " + std::generic_category().message(errno));
    descriptor_ = -1;
}

void TraceFile::leave_to_parent() {
    if (is_open())
        ::close(descriptor_);
    descriptor_ = -1;
    if (name_.find(process_mark) == std::string::npos) {
        const std::filesystem::path path(name_);
        name_ = (path.parent_path() / path.stem()).string() + ".%p" + path.extension().string();
    }
}

// Returns the error, or 0.
int TraceFile::write_all(const std::string& lines) {
    std::size_t done = 0;
    while (done < lines.size()) {
        const ssize_t step = ::write(descriptor_, lines.data() + done, lines.size() - done);
        if (step < 0 && errno != EINTR)
            return errno;
        if (step > 0)
            done += static_cast<std::size_t>(step);
    }
    written_ += lines.size();
    return 0;
}

// Half a line would make the rest unreadable.
void TraceFile::give_up(int error) {
    log_warning("trace: cannot write " + path_ + ": " + std::generic_category().message(error) +
                "; the trace ends here, the program goes on");
    if (::ftruncate(descriptor_, static_cast<off_t>(written_)) != 0)
        log_debug("trace: " + path_ + " ends in the middle of a line");
    ::close(descriptor_);
    descriptor_ = -1;
}

}  // namespace pythonnogil::shim::trace
