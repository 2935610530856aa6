# What a build stamps into its plugins and into the host: the hash of the SDK's declarations, and the
# LibTorch that was found.

# Writes `text` to `file` unless it is there already, so that nothing is rebuilt without a reason.
function(_trainhost_write_if_changed FILE TEXT)
  if(EXISTS ${FILE})
    file(READ ${FILE} _before)
    if(_before STREQUAL TEXT)
      return()
    endif()
  endif()
  file(WRITE ${FILE} "${TEXT}")
endfunction()

# trainhost_hash_headers(FOLDER OUT): 16 hexadecimal digits for the declarations in FOLDER's headers,
# the same for every compiler. Comments, line breaks and spacing are no part of it. ("//" inside a
# text literal counts as a comment: the rest of that line is not covered.)
function(trainhost_hash_headers FOLDER OUT)
  file(GLOB _headers ${FOLDER}/*.h)
  list(SORT _headers)
  set(_all "")
  foreach(_header IN LISTS _headers)
    file(READ ${_header} _text)
    string(REGEX REPLACE "//[^\n]*" "" _text "${_text}")
    string(REGEX REPLACE "/[*][^*]*[*]+([^/*][^*]*[*]+)*/" " " _text "${_text}")
    string(REPLACE "\\\n" " " _text "${_text}")
    string(REGEX REPLACE "[ \t\r\n]+" " " _text "${_text}")
    string(REGEX REPLACE " ?([^A-Za-z0-9_ ]) ?" "\\1" _text "${_text}")
    get_filename_component(_name ${_header} NAME)
    string(APPEND _all "${_name}:${_text}\n")
  endforeach()
  string(SHA256 _hash "${_all}")
  string(SUBSTRING ${_hash} 0 16 _hash)
  set(${OUT} ${_hash} PARENT_SCOPE)
endfunction()

# trainhost_write_abi_hash(FOLDER OUTPUT): a header that defines TRAINHOST_ABI_HASH; configured again
# when a header changes, comes or goes.
function(trainhost_write_abi_hash FOLDER OUTPUT)
  file(GLOB _headers CONFIGURE_DEPENDS ${FOLDER}/*.h)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${_headers})
  trainhost_hash_headers(${FOLDER} _hash)
  _trainhost_write_if_changed(${OUTPUT}
"// Generated: a hash of the declarations of trainhost/*.h, of which comments are no part.
#pragma once
#define TRAINHOST_ABI_HASH \"${_hash}\"
")
endfunction()

# trainhost_write_libtorch_found(TORCH OUTPUT): a header for the host, which does not include
# LibTorch and still has to know which one plugins are built with. Needs TrainhostLibTorch.cmake.
function(trainhost_write_libtorch_found TORCH OUTPUT)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
               ${TORCH}/include/torch/headeronly/version.h)
  trainhost_libtorch_version(${TORCH} _version)
  if(NOT _version)
    message(FATAL_ERROR "trainhost: ${TORCH}/include/torch/headeronly/version.h names no version\n"
                        "  expected: LibTorch 2.11.0\n  fix:      pass -DTRAINHOST_LIBTORCH=DIR")
  endif()
  # A wheel says which CUDA it was built with, in the form of CUDART_VERSION here.
  set(_cuda none)
  if(EXISTS ${TORCH}/version.py)
    file(READ ${TORCH}/version.py _text)
    if(_text MATCHES "cuda[^\n]*= *'([0-9]+)\\.([0-9]+)'")
      math(EXPR _cuda "${CMAKE_MATCH_1} * 1000 + ${CMAKE_MATCH_2} * 10")
    endif()
  endif()
  _trainhost_write_if_changed(${OUTPUT}
"// Generated: the LibTorch that this host was built with.
#pragma once
#define TRAINHOST_FOUND_LIBTORCH \"${_version}\"
#define TRAINHOST_FOUND_CUDA \"${_cuda}\"
")
endfunction()
