# elf_test: the ELF part of the shim, against libraries built for it in plain C.

set(elf_fixture_sources ${CMAKE_CURRENT_LIST_DIR}/../fixtures/elf)
set(elf_fixture_directory ${CMAKE_CURRENT_BINARY_DIR}/elf_fixtures)
set(elf_fixtures "")

# add_elf_fixture(name source.c [COMPILE option...] [LINK option...])
# The tests look at the relocations of these files, so a sanitizer must not add its own.
function(add_elf_fixture name source)
    cmake_parse_arguments(PARSE_ARGV 2 fixture "" "" "COMPILE;LINK")
    add_library(elf_${name} SHARED ${elf_fixture_sources}/${source})
    set_target_properties(elf_${name} PROPERTIES
        PREFIX "" OUTPUT_NAME ${name} LIBRARY_OUTPUT_DIRECTORY ${elf_fixture_directory}
        C_VISIBILITY_PRESET default)
    target_compile_options(elf_${name} PRIVATE -fno-sanitize=all -fno-lto ${fixture_COMPILE})
    target_link_options(elf_${name} PRIVATE -fno-sanitize=all -fno-lto ${fixture_LINK})
    if(NOT name STREQUAL "provider")
        target_link_libraries(elf_${name} PRIVATE elf_provider)
    endif()
    set(elf_fixtures ${elf_fixtures} elf_${name} PARENT_SCOPE)
endfunction()

add_elf_fixture(provider provider.c)

set(elf_relro_full -Wl,-z,relro,-z,now)
set(elf_relro_partial -Wl,-z,relro,-z,lazy)
set(elf_relro_none -Wl,-z,norelro,-z,lazy)
foreach(relro full partial none)
    foreach(plt plt no-plt)
        foreach(level O0 O2)
            set(options -${level})
            if(plt STREQUAL "no-plt")
                list(APPEND options -fno-plt)
            endif()
            add_elf_fixture(imports_${relro}_${plt}_${level} imports.c
                COMPILE ${options} LINK ${elf_relro_${relro}})
        endforeach()
    endforeach()
endforeach()

add_elf_fixture(own_definition own_definition.c)
add_elf_fixture(weak_import weak_import.c)
add_elf_fixture(text_relocation text_relocation.c LINK -Wl,-z,notext)
add_elf_fixture(offset_import offset_import.c)
add_elf_fixture(unaligned_table unaligned_table.c)
add_elf_fixture(thread_local_import thread_local_import.c)
add_elf_fixture(distant_tables distant_tables.c LINK -Wl,-z,relro,-z,now)
add_elf_fixture(storage storage.c LINK -Wl,-z,relro,-z,now)

# DT_RELR: relative relocations in packed form. GNU ld packs them on x86 only.
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    add_elf_fixture(packed_relative imports.c
        COMPILE -O2 LINK -Wl,-z,relro,-z,now,-z,pack-relative-relocs)
endif()

add_elf_fixture(private_library private_library.c)
add_elf_fixture(uses_private_library uses_private_library.c)
target_link_libraries(elf_uses_private_library PRIVATE elf_private_library)

# Linked by name: without a soname, linking by path would record the path.
add_elf_fixture(nameless_library nameless_library.c)
set_target_properties(elf_nameless_library PROPERTIES NO_SONAME ON)
target_link_directories(elf_uses_private_library PRIVATE ${elf_fixture_directory})
target_link_libraries(elf_uses_private_library PRIVATE -l:nameless_library.so)
add_dependencies(elf_uses_private_library elf_nameless_library)
set_target_properties(elf_uses_private_library PROPERTIES BUILD_RPATH ${elf_fixture_directory})

find_package(GTest REQUIRED)
find_package(Threads REQUIRED)
include(GoogleTest)

add_executable(elf_test
    ${CMAKE_CURRENT_LIST_DIR}/elf_file_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/elf_image_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/exported_function_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/interposer_test.cpp
    ${CMAKE_CURRENT_LIST_DIR}/interposer_failure_test.cpp)
target_include_directories(elf_test PRIVATE ${elf_fixture_sources})
target_compile_definitions(elf_test PRIVATE ELF_FIXTURES="${elf_fixture_directory}")
target_link_libraries(elf_test PRIVATE
    pythonnogil_elf elf_provider GTest::gtest_main Threads::Threads ${CMAKE_DL_LIBS})
add_dependencies(elf_test ${elf_fixtures})
gtest_discover_tests(elf_test PROPERTIES TIMEOUT 60)
