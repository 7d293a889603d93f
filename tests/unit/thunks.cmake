# thunks_test: the thunks and their pool, without an interpreter. A second time for AArch64, under an emulator.

# 65,536 thunks of 16 bytes, as readelf writes it.
set(thunks_symbol "(1048576|0x100000) FUNC .* pythonnogil_thunks")

if(TARGET pythonnogil_thunks)
    string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" processor)
    string(REGEX REPLACE "^amd64$" "x86_64" processor "${processor}")
    string(REGEX REPLACE "^arm64$" "aarch64" processor "${processor}")
    add_executable(thunks_test thunks_test.cpp known_registers_${processor}.S)
    target_link_libraries(thunks_test PRIVATE pythonnogil_thunks GTest::gtest_main Threads::Threads)
    gtest_discover_tests(thunks_test PROPERTIES TIMEOUT 60)
    # The sizes of symbols are what debuggers and profilers go by.
    add_test(NAME Thunks.HaveTheirSize COMMAND ${CMAKE_READELF} -sW $<TARGET_FILE:thunks_test>)
    set_tests_properties(Thunks.HaveTheirSize PROPERTIES
        TIMEOUT 60 PASS_REGULAR_EXPRESSION "${thunks_symbol}")
endif()

find_program(AARCH64_COMPILER aarch64-linux-gnu-g++)
find_program(AARCH64_EMULATOR qemu-aarch64)
set(googletest_sources /usr/src/googletest/googletest)
set(aarch64_libraries /usr/aarch64-linux-gnu)

if(PYTHONNOGIL_SANITIZER OR processor STREQUAL "aarch64")
    # Tested above, or no test of this build.
elseif(AARCH64_COMPILER AND AARCH64_EMULATOR AND EXISTS ${googletest_sources})
    set(aarch64_options -std=c++20 -O1 -Wall -Wextra -Wpedantic -mbranch-protection=standard -fvisibility=hidden
        -I${PROJECT_SOURCE_DIR} -I${googletest_sources} -I${googletest_sources}/include)

    # add_aarch64_object(name source header...)
    function(add_aarch64_object name source)
        add_custom_command(OUTPUT ${name}
            COMMAND ${AARCH64_COMPILER} ${aarch64_options} -c ${source} -o ${name}
            DEPENDS ${source} ${ARGN} COMMENT "Building ${name} for AArch64" VERBATIM)
    endfunction()

    set(pool_header ${PROJECT_SOURCE_DIR}/shim/thunk_pool.hpp)
    add_aarch64_object(aarch64_gtest.o ${googletest_sources}/src/gtest-all.cc)
    add_aarch64_object(aarch64_gtest_main.o ${googletest_sources}/src/gtest_main.cc)
    add_aarch64_object(aarch64_pool.o ${PROJECT_SOURCE_DIR}/shim/thunk_pool.cpp ${pool_header})
    add_aarch64_object(aarch64_thunks.o ${PROJECT_SOURCE_DIR}/shim/thunks_aarch64.S)
    add_aarch64_object(aarch64_registers.o ${CMAKE_CURRENT_SOURCE_DIR}/known_registers_aarch64.S)
    add_aarch64_object(aarch64_test.o ${CMAKE_CURRENT_SOURCE_DIR}/thunks_test.cpp ${pool_header})
    set(objects aarch64_test.o aarch64_registers.o aarch64_pool.o aarch64_thunks.o aarch64_gtest.o aarch64_gtest_main.o)
    add_custom_command(OUTPUT aarch64_thunks_test
        COMMAND ${AARCH64_COMPILER} ${objects} -pthread -o aarch64_thunks_test
        DEPENDS ${objects} COMMENT "Linking aarch64_thunks_test" VERBATIM)
    add_custom_target(aarch64_thunks ALL DEPENDS aarch64_thunks_test)

    add_test(NAME Thunks.OnAarch64
        COMMAND ${AARCH64_EMULATOR} -cpu max -L ${aarch64_libraries} ${CMAKE_CURRENT_BINARY_DIR}/aarch64_thunks_test)
    add_test(NAME Thunks.OnAarch64HaveTheirSize
        COMMAND ${CMAKE_READELF} -sW ${CMAKE_CURRENT_BINARY_DIR}/aarch64_thunks_test)
    add_test(NAME Thunks.OnAarch64AreMarked
        COMMAND ${CMAKE_READELF} -n ${CMAKE_CURRENT_BINARY_DIR}/aarch64_thunks.o)
    set_tests_properties(Thunks.OnAarch64 PROPERTIES TIMEOUT 120)
    set_tests_properties(Thunks.OnAarch64HaveTheirSize PROPERTIES
        TIMEOUT 60 PASS_REGULAR_EXPRESSION "${thunks_symbol}")
    set_tests_properties(Thunks.OnAarch64AreMarked PROPERTIES
        TIMEOUT 60 PASS_REGULAR_EXPRESSION "AArch64 feature: BTI, PAC")
else()
    message(STATUS "the thunks are not tested for AArch64: no cross compiler, emulator or sources of GoogleTest")
endif()
