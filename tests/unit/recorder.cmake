# recorder_test: what recording and tracing are made of, without an interpreter.
add_executable(recorder_test
    histogram_test.cpp
    trace_text_test.cpp
    ${PROJECT_SOURCE_DIR}/shim/ticks.cpp
    ${PROJECT_SOURCE_DIR}/shim/trace_text.cpp
)
target_include_directories(recorder_test PRIVATE ${PROJECT_SOURCE_DIR})
target_include_directories(recorder_test SYSTEM PRIVATE
    $<TARGET_PROPERTY:spdlog::spdlog_header_only,INTERFACE_INCLUDE_DIRECTORIES>)
target_compile_definitions(recorder_test PRIVATE FMT_HEADER_ONLY)
target_link_libraries(recorder_test PRIVATE pythonnogil_options GTest::gtest_main)
gtest_discover_tests(recorder_test PROPERTIES TIMEOUT 60)
