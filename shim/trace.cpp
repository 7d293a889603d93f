#include "shim/trace.hpp"

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "pythonnogil/lock_platform.hpp"
#include "shim/elf_image.hpp"
#include "shim/log.hpp"
#include "shim/ticks.hpp"
#include "shim/trace_file.hpp"
#include "shim/trace_text.hpp"

namespace pythonnogil::shim::trace {

namespace {

struct Event {
    const Entry* entry;
    std::uint64_t begin;
    std::uint64_t end;
    Kind kind;
};

// Of one thread, which alone adds and begins anew; whoever has the mutex may write what is there.
struct Buffer {
    std::array<Event, 1024> events;
    std::atomic<std::size_t> count{0};
    std::size_t written = 0;
    pid_t thread = ::gettid();
};

struct Shared {
    std::mutex mutex;  // guards the members below
    std::unique_ptr<TraceFile> file;
    std::vector<Buffer*> buffers;
    std::map<const Entry*, std::string> modules;
    std::uint64_t base_ticks = 0;
    std::int64_t base_ns = 0;
    bool opens_later = false;  // in the child of a fork
};

// Never destroyed: threads may be adding while the process ends.
Shared& shared() {
    static auto* const instance = new Shared;
    return *instance;
}

// Trivially constructed and destroyed, so that it is there as long as the thread.
thread_local constinit Buffer* own_buffer __attribute__((tls_model("initial-exec"))) = nullptr;

// ---- under the mutex ----

std::string file_name(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

// The module that was being imported when the function was registered, or else the file.
const std::string& module_of(const Entry& entry) {
    const auto [place, is_new] = shared().modules.try_emplace(&entry);
    if (is_new) {
        const EntryOrigin& origin = thunk_pool::origin_of(entry);
        place->second = origin.module;
        if (origin.module.empty()) {
            const auto image = ElfImage::containing(
                origin.site == nullptr ? reinterpret_cast<const void*>(entry.function)
                                       : origin.site);
            place->second = image ? file_name(image->path()) : "";
        }
    }
    return place->second;
}

std::int64_t time_of(std::uint64_t ticks) {
    return shared().base_ns +
           static_cast<std::int64_t>(ticks::to_ns(ticks::between(shared().base_ticks, ticks)));
}

void append(std::string& lines, pid_t thread, const Event& event) {
    constexpr const char* categories[] = {"wait", "hold", "lease"};
    Span span{::getpid(),
              thread,
              time_of(event.begin),
              ticks::to_ns(ticks::between(event.begin, event.end)),
              categories[static_cast<int>(event.kind)],
              "GIL lease",
              ""};
    if (event.entry != nullptr) {
        span.function = event.entry->name;
        span.module = module_of(*event.entry);
    }
    append_span(lines, span);
}

void end(const std::string& why) {
    on = false;
    std::string lines;
    append_end(lines, ::getpid(), ::gettid(), time_of(ticks::now()), why);
    shared().file->write(lines);
    shared().file->close();
}

bool is_open() {
    return shared().file != nullptr && shared().file->is_open();
}

void open_if_due() {
    if (!shared().opens_later)
        return;
    shared().opens_later = false;
    try {
        shared().file->open();
    } catch (const std::exception& error) {
        log_warning(std::string("trace: cannot write ") + error.what() +
                    "; this process goes on without one");
        on = false;
    }
}

void write_lines(const std::string& lines) {
    if (!is_open())
        return;
    if (!shared().file->has_room_for(lines.size())) {
        end("truncated: " + std::to_string(shared().file->limit()) + " bytes are the limit");
        return;
    }
    shared().file->write(lines);
    if (!is_open())
        on = false;
}

void flush(Buffer& buffer) {
    const std::size_t count = buffer.count.load(std::memory_order_acquire);
    if (count == buffer.written)
        return;
    open_if_due();
    std::string lines;
    if (is_open()) {
        for (std::size_t i = buffer.written; i < count; ++i)
            append(lines, buffer.thread, buffer.events[i]);
    }
    buffer.written = count;
    write_lines(lines);
}

// ---- threads and fork ----

void end_of_thread(void* value) {
    auto* const buffer = static_cast<Buffer*>(value);
    own_buffer = nullptr;
    const std::lock_guard lock(shared().mutex);
    if (std::erase(shared().buffers, buffer) == 0)
        return;
    flush(*buffer);
    delete buffer;
}

void before_fork() {
    shared().mutex.lock();
}

void after_fork_in_parent() {
    shared().mutex.unlock();
}

// What the other threads collected is the parent's, and so is what this one did.
void after_fork_in_child() {
    for (Buffer* buffer : shared().buffers) {
        if (buffer != own_buffer)
            delete buffer;
    }
    std::erase_if(shared().buffers, [](Buffer* buffer) { return buffer != own_buffer; });
    if (own_buffer != nullptr) {
        own_buffer->count = own_buffer->written = 0;
        own_buffer->thread = ::gettid();
    }
    if (is_open()) {
        shared().file->leave_to_parent();
        shared().opens_later = true;
    }
    shared().mutex.unlock();
}

Buffer* make_buffer() {
    auto* const buffer = new (std::nothrow) Buffer;
    if (buffer == nullptr)
        return nullptr;
    try {
        LinuxPlatform::at_thread_exit<end_of_thread>(buffer);
    } catch (const std::bad_alloc&) {
        delete buffer;
        return nullptr;
    }
    const std::lock_guard lock(shared().mutex);
    shared().buffers.push_back(buffer);
    return own_buffer = buffer;
}

}  // namespace

bool start(const std::string& name, std::uint64_t limit) {
    static std::once_flag once;
    std::call_once(once,
                   [] { pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); });
    const std::lock_guard lock(shared().mutex);
    if (is_on())
        return false;
    shared().file = std::make_unique<TraceFile>(name, limit);
    shared().file->open();
    shared().base_ticks = ticks::now();
    shared().base_ns = ticks::monotonic_ns();
    on = true;
    return true;
}

void stop() {
    const std::lock_guard lock(shared().mutex);
    for (Buffer* buffer : shared().buffers)
        flush(*buffer);
    if (is_open())
        end("end of the trace");
    on = false;
}

void name_thread(pid_t thread, const std::string& name) {
    const std::lock_guard lock(shared().mutex);
    if (!is_open())
        return;
    std::string lines;
    append_thread_name(lines, ::getpid(), thread, name);
    write_lines(lines);
}

void add(Kind kind, const Entry* entry, std::uint64_t begin, std::uint64_t end) {
    if (!is_on())
        return;
    Buffer* const buffer = own_buffer != nullptr ? own_buffer : make_buffer();
    if (buffer == nullptr)
        return;
    const std::size_t count = buffer->count.load(std::memory_order_relaxed);
    buffer->events[count] = {entry, begin, end, kind};
    buffer->count.store(count + 1, std::memory_order_release);
    if (count + 1 < buffer->events.size())
        return;
    const std::lock_guard lock(shared().mutex);
    flush(*buffer);
    buffer->count = buffer->written = 0;
}

Lease::Lease() : begin_(ticks::now()) {}

Lease::~Lease() {
    add(Kind::lease, nullptr, begin_, ticks::now());
}

}  // namespace pythonnogil::shim::trace
