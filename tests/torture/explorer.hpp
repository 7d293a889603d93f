// Runs a few threads in every order: a stateless model checker for small cases.
//
// The threads are fibers of one real thread. Before each atomic operation the explorer decides who
// goes on, and after each run it takes the last decision that had another answer, until there is
// none left. Switching away from a thread that could go on costs one of a limited number of
// *interruptions*, which is what keeps the number of runs finite and small: nearly all errors of
// locks show within two.
//
// Memory is that of x86 (total store order): a store waits in the buffer of its thread, where only
// that thread sees it, until the thread executes a full fence or an atomic read-modify-write,
// waits, or ends; until another thread's membarrier; or until the explorer decides so, which also
// costs an interruption, or comes with one for free. Weaker memories are not explored.
//
// Thread-safety: none, everything happens in one thread. Errors: a run that breaks a requirement,
// or that comes to rest before all threads have ended, ends the exploration with a message.
#pragma once

#include <ucontext.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace pythonnogil::model {

// The memory of one atomic variable.
struct Cell {
    std::uint64_t bits = 0;
};

struct Result {
    std::uint64_t runs = 0;
    bool complete = false;  // every order was tried
    std::string failure;    // empty: none was found
};

class Explorer {
  public:
    static constexpr std::size_t max_threads = 4;

    explicit Explorer(int interruptions, std::uint64_t max_runs = 200'000'000)
        : interruptions_(interruptions), max_runs_(max_runs) {}
    ~Explorer();
    Explorer(const Explorer&) = delete;
    Explorer& operator=(const Explorer&) = delete;

    // `prepare` comes before each run, outside of all threads.
    Result explore(const std::function<void()>& prepare,
                   const std::vector<std::function<void()>>& threads);

    // The exploration that is going on, or null.
    static Explorer* active();
    // Whether the caller is one of the explored threads; if not, operations are plain ones.
    bool in_thread() const { return running_ != none; }

    // --- what the threads do ---

    std::uint64_t load(const Cell& cell);
    void store(Cell& cell, std::uint64_t bits, bool and_fence);
    // Begins a read-modify-write: what follows is one step with it, until the next operation.
    void begin_update(Cell& cell);
    void update(Cell& cell, std::uint64_t bits);
    void membarrier();
    // False: the deadline has passed.
    bool wait(Cell& cell, std::uint64_t expected, bool may_time_out);
    void wait_for_wake(Cell& cell);
    void wake_all(Cell& cell);
    // In a loop that waits for others.
    void pause();
    // Any step that others may come before.
    void step();
    void require(bool condition, const char* what);

    void*& thread_record() { return threads_[running_].record; }
    void set_record(std::size_t thread, void* record) { threads_[thread].record = record; }

  private:
    static constexpr std::size_t none = max_threads;

    enum class State : std::uint8_t { ready, pausing, waiting, ended };

    struct Store {
        Cell* cell;
        std::uint64_t bits;
    };

    struct Thread {
        ucontext_t context{};
        std::vector<std::byte> stack;
        std::function<void()> body;
        State state = State::ended;
        const Cell* waits_on = nullptr;
        std::vector<Store> buffer;
        std::size_t flushed = 0;             // of the buffer
        std::uint64_t own_writes = 0;        // to memory, of this thread
        std::uint64_t seen_at_pause = ~0UL;  // writes of others at the last pause
        void* record = nullptr;
    };

    struct Decision {
        std::size_t taken;
        std::size_t options;
    };

    static void enter_thread();
    static void start(Thread& thread, const std::function<void()>& body);
    void run_once(const std::vector<std::function<void()>>& bodies);
    bool next_run();
    std::size_t decide(std::size_t options);
    void rest();
    void block(Cell& cell);
    void switch_to(std::size_t next);
    [[noreturn]] void end_run(std::string failure);
    void write(Cell& cell, std::uint64_t bits, Thread& writer);
    void flush_one(Thread& thread);
    void flush(Thread& thread);
    bool has_stores(const Thread& thread) const { return thread.flushed < thread.buffer.size(); }
    std::uint64_t writes_of_others() const { return writes_ - threads_[running_].own_writes; }

    int interruptions_;
    std::uint64_t max_runs_;
    std::array<Thread, max_threads> threads_;
    std::size_t count_ = 0;
    std::size_t running_ = none;
    ucontext_t main_{};
    std::vector<Decision> decisions_;
    std::size_t position_ = 0;
    int interruptions_left_ = 0;
    std::uint64_t steps_ = 0;
    std::uint64_t writes_ = 0;
    std::string failure_;
};

}  // namespace pythonnogil::model
