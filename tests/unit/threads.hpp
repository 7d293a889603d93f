// Short-lived threads for tests of locks.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

namespace pythonnogil::testing {

// What `function` returns when another thread calls it.
template <class Function>
auto elsewhere(Function function) {
    decltype(function()) result{};
    std::thread([&] { result = function(); }).join();
    return result;
}

// A thread that calls `function`, and can be asked whether it has returned.
class Background {
  public:
    explicit Background(std::function<void()> function)
        : thread_([this, function = std::move(function)] {
              function();
              done_ = true;
          }) {}

    ~Background() { join(); }

    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;

    void join() {
        if (thread_.joinable())
            thread_.join();
    }

    // False when it is still at it after a moment, long enough for what does not have to wait.
    bool is_done_soon() const { return is_done_within(std::chrono::milliseconds(50)); }

    bool is_done_within(std::chrono::milliseconds time) const {
        const auto end = std::chrono::steady_clock::now() + time;
        while (!done_ && std::chrono::steady_clock::now() < end)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return done_;
    }

  private:
    std::atomic<bool> done_{false};
    std::thread thread_;
};

}  // namespace pythonnogil::testing
