#include "explorer.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace pythonnogil::model {

namespace {

constexpr std::size_t stack_size = 128 * 1024;
constexpr std::uint64_t max_steps = 20'000;

Explorer* active_explorer = nullptr;

// A run that was ended in the middle leaves frames on the stack whose red zones nobody clears.
void make_usable(std::vector<std::byte>& stack) {
    stack.resize(stack_size);
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(stack.data(), stack.size());
#endif
}

}  // namespace

Explorer* Explorer::active() {
    return active_explorer;
}

Explorer::~Explorer() {
    active_explorer = nullptr;
}

Result Explorer::explore(const std::function<void()>& prepare,
                         const std::vector<std::function<void()>>& threads) {
    active_explorer = this;
    Result result;
    decisions_.clear();
    failure_.clear();
    do {
        prepare();
        run_once(threads);
        ++result.runs;
        if (!failure_.empty())
            break;
        result.complete = !next_run();
    } while (!result.complete && result.runs < max_runs_);
    result.failure = failure_;
    active_explorer = nullptr;
    return result;
}

// The last decision with an option that was not tried yet gets its next one.
bool Explorer::next_run() {
    while (!decisions_.empty() && decisions_.back().taken + 1 == decisions_.back().options)
        decisions_.pop_back();
    if (decisions_.empty())
        return false;
    ++decisions_.back().taken;
    return true;
}

void Explorer::run_once(const std::vector<std::function<void()>>& bodies) {
    count_ = bodies.size();
    position_ = 0;
    steps_ = 0;
    writes_ = 0;
    interruptions_left_ = interruptions_;
    for (std::size_t index = 0; index < count_; ++index)
        start(threads_[index], bodies[index]);
    running_ = decide(count_);
    swapcontext(&main_, &threads_[running_].context);
    running_ = none;
}

void Explorer::start(Thread& thread, const std::function<void()>& body) {
    make_usable(thread.stack);
    thread.body = body;
    thread.state = State::ready;
    thread.buffer.clear();
    thread.flushed = 0;
    thread.own_writes = 0;
    thread.seen_at_pause = ~0UL;
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.data();
    thread.context.uc_stack.ss_size = thread.stack.size();
    thread.context.uc_link = nullptr;
    makecontext(&thread.context, &Explorer::enter_thread, 0);
}

void Explorer::enter_thread() {
    Explorer& self = *active_explorer;
    Thread& thread = self.threads_[self.running_];
    thread.body();
    self.flush(thread);
    thread.state = State::ended;
    self.rest();
}

std::size_t Explorer::decide(std::size_t options) {
    if (position_ == decisions_.size())
        decisions_.push_back({0, options});
    if (decisions_[position_].options != options) {
        // The same decisions lead to another state: the explored code is not deterministic.
        std::abort();
    }
    return decisions_[position_++].taken;
}

// Every option but the first costs an interruption: going on as somebody else, with this thread's
// stores still in its buffer or not, or making another thread's oldest store visible.
void Explorer::step() {
    if (!in_thread())
        return;
    if (++steps_ > max_steps)
        end_run("no end: threads keep each other busy");
    if (interruptions_left_ == 0)
        return;
    enum class Kind : std::uint8_t { go_on, change, flush_and_change, flush_other };
    std::array<std::pair<Kind, std::size_t>, 1 + 3 * max_threads> options{};
    std::size_t count = 0;
    options[count++] = {Kind::go_on, running_};
    for (std::size_t other = 0; other < count_; ++other) {
        if (other == running_)
            continue;
        if (threads_[other].state == State::ready) {
            options[count++] = {Kind::change, other};
            if (has_stores(threads_[running_]))
                options[count++] = {Kind::flush_and_change, other};
        }
        if (has_stores(threads_[other]))
            options[count++] = {Kind::flush_other, other};
    }
    if (count == 1)
        return;
    const auto [kind, other] = options[decide(count)];
    if (kind == Kind::go_on)
        return;
    --interruptions_left_;
    if (kind == Kind::flush_other) {
        flush_one(threads_[other]);
        return;
    }
    if (kind == Kind::flush_and_change)
        flush(threads_[running_]);
    switch_to(other);
}

// The running thread cannot go on. Who goes on instead is free of charge.
void Explorer::rest() {
    std::array<std::size_t, max_threads> ready{};
    std::size_t count = 0;
    bool all_ended = true;
    for (std::size_t index = 0; index < count_; ++index) {
        all_ended = all_ended && threads_[index].state == State::ended;
        if (threads_[index].state == State::ready)
            ready[count++] = index;
    }
    if (all_ended)
        end_run({});
    if (count == 0)
        end_run("deadlock: threads wait, and nobody is left to wake them");
    switch_to(ready[count == 1 ? 0 : decide(count)]);
}

void Explorer::switch_to(std::size_t next) {
    if (next == running_)
        return;
    const std::size_t before = std::exchange(running_, next);
    swapcontext(&threads_[before].context, &threads_[next].context);
}

// The fibers that have not ended are left as they are.
void Explorer::end_run(std::string failure) {
    failure_ = std::move(failure);
    setcontext(&main_);
    std::abort();
}

void Explorer::require(bool condition, const char* what) {
    if (!condition)
        end_run(what);
}

// A store that has reached memory lets threads that wait in a loop look again.
void Explorer::write(Cell& cell, std::uint64_t bits, Thread& writer) {
    cell.bits = bits;
    ++writes_;
    ++writer.own_writes;
    for (Thread& thread : threads_) {
        if (thread.state == State::pausing)
            thread.state = State::ready;
    }
}

void Explorer::flush_one(Thread& thread) {
    const Store& store = thread.buffer[thread.flushed++];
    write(*store.cell, store.bits, thread);
    if (!has_stores(thread)) {
        thread.buffer.clear();
        thread.flushed = 0;
    }
}

void Explorer::flush(Thread& thread) {
    while (has_stores(thread))
        flush_one(thread);
}

std::uint64_t Explorer::load(const Cell& cell) {
    step();
    if (in_thread()) {
        const Thread& thread = threads_[running_];
        for (std::size_t index = thread.buffer.size(); index > thread.flushed; --index) {
            if (thread.buffer[index - 1].cell == &cell)
                return thread.buffer[index - 1].bits;
        }
    }
    return cell.bits;
}

void Explorer::store(Cell& cell, std::uint64_t bits, bool and_fence) {
    step();
    if (!in_thread()) {
        cell.bits = bits;
        return;
    }
    threads_[running_].buffer.push_back({&cell, bits});
    if (and_fence)
        flush(threads_[running_]);
}

void Explorer::begin_update(Cell&) {
    step();
    if (in_thread())
        flush(threads_[running_]);
}

void Explorer::update(Cell& cell, std::uint64_t bits) {
    if (in_thread())
        write(cell, bits, threads_[running_]);
    else
        cell.bits = bits;
}

void Explorer::membarrier() {
    step();
    for (Thread& thread : threads_)
        flush(thread);
}

// That the deadline passes after others have gone on is the same as that they come before this.
bool Explorer::wait(Cell& cell, std::uint64_t expected, bool may_time_out) {
    begin_update(cell);
    if (cell.bits != expected)
        return true;
    if (may_time_out && decide(2) == 1)
        return false;
    block(cell);
    return true;
}

void Explorer::wait_for_wake(Cell& cell) {
    begin_update(cell);
    block(cell);
}

void Explorer::block(Cell& cell) {
    Thread& thread = threads_[running_];
    thread.state = State::waiting;
    thread.waits_on = &cell;
    rest();
}

void Explorer::wake_all(Cell& cell) {
    begin_update(cell);
    for (Thread& thread : threads_) {
        if (thread.state == State::waiting && thread.waits_on == &cell)
            thread.state = State::ready;
    }
}

// A thread that has found nothing changed since it last paused has to wait for a change.
void Explorer::pause() {
    step();
    if (!in_thread())
        return;
    Thread& thread = threads_[running_];
    flush(thread);
    const std::uint64_t seen = writes_of_others();
    if (std::exchange(thread.seen_at_pause, seen) != seen)
        return;
    thread.state = State::pausing;
    rest();
}

}  // namespace pythonnogil::model
