#include "shim/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "shim/ticks.hpp"

namespace pythonnogil::shim {

namespace {

TEST(Histogram, IsEmptyAtFirst) {
    const Histogram histogram;
    EXPECT_EQ(histogram.count(), 0U);
    EXPECT_EQ(histogram.total(), 0U);
    EXPECT_EQ(histogram.max(), 0U);
    EXPECT_EQ(histogram.percentile(0.5), 0.0);
}

TEST(Histogram, BucketsFollowEachOther) {
    std::size_t before = 0;
    for (std::uint64_t ns = 0; ns < 1'000'000; ++ns) {
        const std::size_t bucket = Histogram::bucket_of(ns);
        ASSERT_TRUE(bucket == before || bucket == before + 1) << ns;
        before = bucket;
    }
}

TEST(Histogram, LongestDurationsFit) {
    EXPECT_EQ(Histogram::bucket_of(Histogram::limit - 1), Histogram::bucket_count - 1);
    EXPECT_EQ(Histogram::bucket_of(UINT64_MAX), Histogram::bucket_count - 1);
    Histogram histogram;
    histogram.add(UINT64_MAX / 2);
    EXPECT_EQ(histogram.max(), UINT64_MAX / 2);
    EXPECT_EQ(histogram.count(), 1U);
}

TEST(Histogram, MiddleOfABucketIsNearAllOfIt) {
    for (std::uint64_t ns = 1; ns < Histogram::limit; ns += 1 + ns / 100) {
        const double middle = Histogram::middle_of(Histogram::bucket_of(ns));
        ASSERT_LE(std::abs(middle - static_cast<double>(ns)), static_cast<double>(ns) / 16) << ns;
    }
}

TEST(Histogram, PercentilesAreNearThoseOfAllValues) {
    std::mt19937_64 random(1);
    std::lognormal_distribution<double> durations(8, 2);
    std::vector<std::uint64_t> values(20'000);
    Histogram histogram;
    for (std::uint64_t& value : values) {
        value = static_cast<std::uint64_t>(durations(random));
        histogram.add(value);
    }
    std::ranges::sort(values);
    for (const double share : {0.01, 0.5, 0.9, 0.99, 0.999}) {
        const auto rank =
            static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
        const auto exact = static_cast<double>(values[rank - 1]);
        EXPECT_NEAR(histogram.percentile(share), exact, exact / 16 + 1) << share;
    }
    EXPECT_EQ(histogram.max(), values.back());
}

TEST(Histogram, NoPercentileIsAboveTheMaximum) {
    Histogram histogram;
    histogram.add(1025);
    EXPECT_EQ(histogram.percentile(0.5), 1025.0);
    EXPECT_EQ(histogram.percentile(1.0), 1025.0);
}

TEST(Histogram, MergedIsAsIfAddedToOne) {
    Histogram one;
    Histogram other;
    Histogram both;
    for (std::uint64_t ns = 1; ns < 100'000; ns = ns * 3 + 1) {
        one.add(ns);
        other.add(ns * 2);
        both.add(ns);
        both.add(ns * 2);
    }
    one.merge(other);
    EXPECT_EQ(one.count(), both.count());
    EXPECT_EQ(one.total(), both.total());
    EXPECT_EQ(one.max(), both.max());
    for (const double share : {0.1, 0.5, 0.9})
        EXPECT_EQ(one.percentile(share), both.percentile(share));
}

TEST(Ticks, AgreeWithTheClockOfTheSystem) {
    ticks::calibrate();
    const std::int64_t begin_ns = ticks::monotonic_ns();
    const std::uint64_t begin = ticks::now();
    while (ticks::monotonic_ns() - begin_ns < 50'000'000) {
    }
    const auto measured = static_cast<double>(ticks::to_ns(ticks::between(begin, ticks::now())));
    const auto passed = static_cast<double>(ticks::monotonic_ns() - begin_ns);
    EXPECT_NEAR(measured, passed, passed / 50);
}

TEST(Ticks, NeverGoBackwards) {
    EXPECT_EQ(ticks::between(5, 3), 0U);
    EXPECT_EQ(ticks::between(3, 5), 2U);
}

}  // namespace

}  // namespace pythonnogil::shim
