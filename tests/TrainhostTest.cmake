# trainhost_add_test(NAME SOURCES … LIBRARIES … [TORCH] [SERIAL] [LABELS …]): a Catch2 program, one
# CTest entry per test case. TORCH gives it LibTorch (and its folder as run path); SERIAL: nothing
# else runs beside it.
# Loading LibTorch takes longer than most cases, under sanitizers most of all: with
# TRAINHOST_TEST_BY_PROGRAM each program is one entry, which runs all its cases but those that
# TRAINHOST_TEST_LEFT_OUT names (patterns of Catch2).
option(TRAINHOST_TEST_BY_PROGRAM "One CTest entry per program, not per test case" OFF)
set(TRAINHOST_TEST_LEFT_OUT "" CACHE STRING "Cases to leave out with TRAINHOST_TEST_BY_PROGRAM")
find_package(Catch2 2 REQUIRED)
include(Catch)

add_library(trainhost_catch STATIC ${CMAKE_CURRENT_LIST_DIR}/catch_main.cpp)
# Catch2 takes half a minute to optimise, for nothing.
target_compile_options(trainhost_catch PRIVATE -O0)
target_link_libraries(trainhost_catch PUBLIC Catch2::Catch2)

function(trainhost_add_test NAME)
  cmake_parse_arguments(ARG "TORCH;SERIAL" "" "SOURCES;LIBRARIES;LABELS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "trainhost_add_test(${NAME}): unknown arguments ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  add_executable(${NAME} ${ARG_SOURCES})
  target_link_libraries(${NAME} PRIVATE trainhost_catch trainhost_sdk ${ARG_LIBRARIES})
  if(ARG_TORCH)
    target_link_libraries(${NAME} PRIVATE trainhost::libtorch)
    set_target_properties(${NAME} PROPERTIES BUILD_RPATH ${TRAINHOST_LIBTORCH_DIR}/lib)
  endif()
  set(PROPERTIES TIMEOUT 300)
  if(TRAINHOST_TEST_BY_PROGRAM)
    set(PROPERTIES TIMEOUT 1200)
  endif()
  if(ARG_SERIAL)
    list(APPEND PROPERTIES RUN_SERIAL TRUE)
  endif()
  if(ARG_LABELS)
    list(APPEND PROPERTIES LABELS "${ARG_LABELS}")
  endif()
  if(TRAINHOST_TEST_BY_PROGRAM)
    list(TRANSFORM TRAINHOST_TEST_LEFT_OUT PREPEND "~" OUTPUT_VARIABLE _left_out)
    # Hidden cases too are run where all that is said is what not to run.
    add_test(NAME ${NAME} COMMAND ${NAME} --durations yes ~[.] ${_left_out})
    set_tests_properties(${NAME} PROPERTIES ${PROPERTIES})
  else()
    catch_discover_tests(${NAME} TEST_PREFIX "${NAME}: " PROPERTIES ${PROPERTIES})
  endif()
endfunction()
