# dcac_add_library(NAME SOURCES ... [PUBLIC_LIBS ...] [PRIVATE_LIBS ...])
# A static library `dcac_NAME` with the alias `dcac::NAME`.  Sources include each other by their path from the root
# ("core/base/bits.h"); public headers are added by the caller with FILE_SET HEADERS.
function(dcac_add_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;PUBLIC_LIBS;PRIVATE_LIBS")
  add_library(dcac_${name} STATIC ${arg_SOURCES})
  add_library(dcac::${name} ALIAS dcac_${name})
  set_target_properties(dcac_${name} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(dcac_${name} PUBLIC cxx_std_20)
  target_include_directories(dcac_${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(dcac_${name} PUBLIC ${arg_PUBLIC_LIBS}
    PRIVATE ${arg_PRIVATE_LIBS} $<BUILD_INTERFACE:dcac_flags>)
endfunction()

# dcac_add_program(TARGET OUTPUT_NAME NAME SOURCES ... LIBS ...)
# An executable build/<preset>/bin/NAME, installed into bin.
function(dcac_add_program target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "OUTPUT_NAME" "SOURCES;LIBS")
  add_executable(${target} ${arg_SOURCES})
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${arg_OUTPUT_NAME})
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE ${arg_LIBS} dcac_flags)
  install(TARGETS ${target} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT programs)
endfunction()

# dcac_add_test(NAME name SOURCES ... LIBS ... [LABELS label...])
# A GoogleTest program build/<preset>/bin/name whose cases become ctest tests (label `unit` unless told).  With
# DCAC_BUILD_TESTS off it does nothing.  DCAC_TEST_DATA_DIR is defined as the path of tests/data.
function(dcac_add_test)
  if(NOT DCAC_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME" "SOURCES;LIBS;LABELS")
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  add_executable(${arg_NAME} ${arg_SOURCES})
  target_include_directories(${arg_NAME} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_definitions(${arg_NAME} PRIVATE DCAC_TEST_DATA_DIR="${PROJECT_SOURCE_DIR}/tests/data")
  target_link_libraries(${arg_NAME} PRIVATE ${arg_LIBS} GTest::gmock GTest::gtest_main dcac_flags)
  gtest_discover_tests(${arg_NAME} TEST_PREFIX "${arg_NAME}/" DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 600)
endfunction()

# dcac_add_script_test(NAME name COMMAND ... [LABELS label...])
# A ctest test that is a script; exit status 77 means skipped.
function(dcac_add_script_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME" "COMMAND;LABELS")
  add_test(NAME ${arg_NAME} COMMAND ${arg_COMMAND})
  set_tests_properties(${arg_NAME} PROPERTIES LABELS "${arg_LABELS}" SKIP_RETURN_CODE 77 TIMEOUT 600)
endfunction()
