# How a plugin is built, here and in a third party's project:
#
#   trainhost_add_plugin(NAME KIND device|strategy|model SOURCES a.cpp …
#                        [LIBRARIES lib …] [OUTPUT_NAME x] [OUTPUT_DIRECTORY dir]
#                        [NO_INSTALL] [NO_CHECK] [CHECK_ARGUMENTS --set data.dir=… …])
#   trainhost_add_probe(NAME SOURCES a.cpp … [LIBRARIES lib …] [OUTPUT_NAME x] …)
#
# Both make OUTPUT_NAME.so (default: NAME.so), which exports one symbol and hides all else, so that
# two plugins with copies of one library never meet. It finds what it needs beside itself; the host
# brings LibTorch. A probe (trainhost/device_probe.h) has no LibTorch at all.
# Two CTests are added where a trainhost program is known (in this tree, or TRAINHOST_EXECUTABLE):
# `check-plugin.NAME`, the quick checks, and `conformance.NAME`, all of them (label `conformance`).
# CHECK_ARGUMENTS are for both.

function(trainhost_add_plugin NAME)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "NO_INSTALL;NO_CHECK"
                        "KIND;OUTPUT_NAME;OUTPUT_DIRECTORY" "SOURCES;LIBRARIES;CHECK_ARGUMENTS")
  _trainhost_refuse_unknown(trainhost_add_plugin ${NAME} "${ARG_UNPARSED_ARGUMENTS}"
                            "${ARG_KEYWORDS_MISSING_VALUES}" "${ARG_SOURCES}" "${ARG_LIBRARIES}")
  if(NOT ARG_KIND MATCHES "^(device|strategy|model)$")
    message(FATAL_ERROR "trainhost_add_plugin(${NAME}): KIND is '${ARG_KIND}'\n"
                        "  expected: device, strategy or model")
  endif()
  _trainhost_add_module(${NAME} ${ARG_KIND} plugin.map)
  target_link_libraries(${NAME} PRIVATE ${ARG_LIBRARIES} trainhost::sdk trainhost::libtorch)
endfunction()

function(trainhost_add_probe NAME)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "NO_INSTALL;NO_CHECK"
                        "OUTPUT_NAME;OUTPUT_DIRECTORY" "SOURCES;LIBRARIES")
  _trainhost_refuse_unknown(trainhost_add_probe ${NAME} "${ARG_UNPARSED_ARGUMENTS}"
                            "${ARG_KEYWORDS_MISSING_VALUES}" "${ARG_SOURCES}" "${ARG_LIBRARIES}")
  _trainhost_add_module(${NAME} probe probe.map)
  target_compile_definitions(${NAME} PRIVATE TRAINHOST_NO_LIBTORCH)
  target_link_libraries(${NAME} PRIVATE ${ARG_LIBRARIES} trainhost::sdk ${CMAKE_DL_LIBS})
endfunction()

function(_trainhost_refuse_unknown FUNCTION NAME UNKNOWN MISSING SOURCES LIBRARIES)
  # A misspelt keyword ends up in the list before it.
  set(_words ${SOURCES} ${LIBRARIES})
  list(FILTER _words INCLUDE REGEX "^[A-Z][A-Z_]+$")
  list(APPEND UNKNOWN ${_words})
  if(UNKNOWN)
    message(FATAL_ERROR "${FUNCTION}(${NAME}): unknown arguments: ${UNKNOWN}")
  endif()
  if(MISSING)
    message(FATAL_ERROR "${FUNCTION}(${NAME}): nothing follows ${MISSING}")
  endif()
  if(NOT SOURCES)
    message(FATAL_ERROR "${FUNCTION}(${NAME}): no SOURCES")
  endif()
endfunction()

# Reads the caller's ARG_… variables.
function(_trainhost_add_module NAME KIND MAP)
  add_library(${NAME} MODULE ${ARG_SOURCES})
  if(NOT ARG_OUTPUT_NAME)
    set(ARG_OUTPUT_NAME ${NAME})
  endif()
  set(_in_tree FALSE)
  if(TARGET trainhost_sdk)
    set(_in_tree TRUE)
  endif()
  if(NOT ARG_OUTPUT_DIRECTORY AND _in_tree)
    set(ARG_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
  elseif(NOT ARG_OUTPUT_DIRECTORY)
    set(ARG_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  endif()
  set(_map ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/${MAP})
  # The RUNPATH of the build is that of the install, so LibTorch's folder is in neither.
  set_target_properties(${NAME} PROPERTIES
    PREFIX "" OUTPUT_NAME ${ARG_OUTPUT_NAME} LIBRARY_OUTPUT_DIRECTORY ${ARG_OUTPUT_DIRECTORY}
    CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON
    CXX_VISIBILITY_PRESET hidden C_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "\$ORIGIN" INSTALL_RPATH_USE_LINK_PATH OFF
    LINK_DEPENDS ${_map} FOLDER plugins/${KIND})
  target_link_options(${NAME} PRIVATE
    -Wl,--version-script=${_map} -Wl,--exclude-libs,ALL -Wl,--enable-new-dtags -Wl,-z,nodelete)
  # A sanitizer's run-time is part of the program: its symbols stay open in a shared object.
  if(NOT "${CMAKE_CXX_FLAGS} ${CMAKE_MODULE_LINKER_FLAGS}" MATCHES "-fsanitize")
    target_link_options(${NAME} PRIVATE -Wl,-z,defs)
  endif()
  if(TRAINHOST_INSTALL AND _in_tree AND NOT ARG_NO_INSTALL)
    install(TARGETS ${NAME} LIBRARY DESTINATION lib/trainhost/plugins)
    set_property(GLOBAL APPEND PROPERTY TRAINHOST_PLUGIN_TARGETS ${NAME})
  endif()
  if(NOT ARG_NO_CHECK)
    _trainhost_add_check(${NAME} ${KIND})
  endif()
endfunction()

function(_trainhost_add_check NAME KIND)
  if(TARGET trainhost)
    set(_program $<TARGET_FILE:trainhost>)
  elseif(TRAINHOST_EXECUTABLE)
    set(_program ${TRAINHOST_EXECUTABLE})
  else()
    return()
  endif()
  add_test(NAME check-plugin.${NAME} COMMAND ${_program} check-plugin $<TARGET_FILE:${NAME}>
           --quick ${ARG_CHECK_ARGUMENTS})
  set_tests_properties(check-plugin.${NAME} PROPERTIES TIMEOUT 300 LABELS "plugin;${KIND}")
  if(NOT KIND STREQUAL "probe")
    add_test(NAME conformance.${NAME} COMMAND ${_program} check-plugin $<TARGET_FILE:${NAME}>
             ${ARG_CHECK_ARGUMENTS})
    # Its ranks take the cores that other tests would have.
    set_tests_properties(conformance.${NAME} PROPERTIES TIMEOUT 900 PROCESSORS 2
                         LABELS "conformance;${KIND}")
  endif()
endfunction()
