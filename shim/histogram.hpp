// Counts of durations in buckets whose width grows with the duration: eight to each octave, so a
// percentile is right to one part in sixteen. The greatest duration and the sum are exact.
// Durations are in ticks (see ticks.hpp).
//
// Thread-safety: one thread adds, others may read meanwhile; what they see may lack the last few.
// merge() reads another histogram and adds to this one, as its only writer. Errors: none. Nothing
// is allocated.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace pythonnogil::shim {

// A number with one writer: an increment is a load and a store, not a locked instruction.
class Tally {
  public:
    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }
    void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
    void add(std::uint64_t more) { set(value() + more); }
    void raise_to(std::uint64_t at_least) {
        if (at_least > value())
            set(at_least);
    }

  private:
    std::atomic<std::uint64_t> value_{0};
};

class Histogram {
  public:
    static constexpr unsigned sub_bits = 3;
    // What is longer than 2**44 ticks, an hour at least, counts as that in percentiles.
    static constexpr unsigned octaves = 44;
    static constexpr std::uint64_t limit = std::uint64_t{1} << octaves;
    static constexpr std::size_t bucket_count = (octaves - sub_bits + 1) << sub_bits;

    // Below 16 each number has a bucket of its own; above, the highest bit chooses the octave and
    // the three bits after it the part of it.
    static constexpr std::size_t bucket_of(std::uint64_t ticks) {
        const unsigned shift = 60U - static_cast<unsigned>(std::countl_zero(ticks | 8U));
        return std::min<std::size_t>((std::size_t{shift} << sub_bits) + (ticks >> shift),
                                     bucket_count - 1);
    }

    // The middle of a bucket.
    static constexpr double middle_of(std::size_t bucket) {
        if (bucket < 16)
            return static_cast<double>(bucket);
        const std::size_t shift = (bucket >> sub_bits) - 1;
        const std::uint64_t low = std::uint64_t{(bucket & 7U) | 8U} << shift;
        return static_cast<double>(low) + static_cast<double>(std::uint64_t{1} << shift) / 2;
    }

    void add(std::uint64_t ticks) {
        buckets_[bucket_of(ticks)].add(1);
        total_.add(ticks);
        max_.raise_to(ticks);
    }

    void merge(const Histogram& other) {
        for (std::size_t i = 0; i < bucket_count; ++i)
            buckets_[i].add(other.buckets_[i].value());
        total_.add(other.total());
        max_.raise_to(other.max());
    }

    void clear() {
        for (Tally& bucket : buckets_)
            bucket.set(0);
        total_.set(0);
        max_.set(0);
    }

    std::uint64_t count() const {
        std::uint64_t sum = 0;
        for (const Tally& bucket : buckets_)
            sum += bucket.value();
        return sum;
    }
    std::uint64_t total() const { return total_.value(); }
    std::uint64_t max() const { return max_.value(); }

    // The duration that `share` of all do not exceed; 0 when there is none.
    double percentile(double share) const {
        const auto rank = std::max(1.0, std::ceil(share * static_cast<double>(count())));
        double passed = 0;
        for (std::size_t i = 0; i < bucket_count; ++i) {
            passed += static_cast<double>(buckets_[i].value());
            if (passed >= rank)
                return std::min(middle_of(i), static_cast<double>(max()));
        }
        return 0;
    }

  private:
    std::array<Tally, bucket_count> buckets_;
    Tally total_;
    Tally max_;
};

}  // namespace pythonnogil::shim
