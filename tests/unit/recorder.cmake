# histogram_test: what the recorder is made of, without an interpreter.
add_executable(histogram_test histogram_test.cpp ${PROJECT_SOURCE_DIR}/shim/ticks.cpp)
target_include_directories(histogram_test PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(histogram_test PRIVATE pythonnogil_options GTest::gtest_main)
gtest_discover_tests(histogram_test PROPERTIES TIMEOUT 60)
