# lock_test: the stand-alone lock, with its own interface and under the lock types of Boost.Thread.

find_package(Boost REQUIRED COMPONENTS thread)
find_package(GTest REQUIRED)
find_package(Threads REQUIRED)
include(GoogleTest)

add_executable(lock_test
    ${CMAKE_CURRENT_LIST_DIR}/boost_lock_types_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/fair_mutex_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/lock_layout_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/reader_slots_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/shared_exclusive_lock_test.cpp)
target_include_directories(lock_test PRIVATE ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(lock_test PRIVATE
    pythonnogil_options Boost::thread GTest::gtest_main Threads::Threads)
gtest_discover_tests(lock_test PROPERTIES TIMEOUT 60)
