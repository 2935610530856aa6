# trainhost::libtorch: LibTorch's CPU half as an interface target; TRAINHOST_LIBTORCH_DIR and
# TRAINHOST_LIBTORCH_VERSION say which.
#
# TRAINHOST_LIBTORCH (CMake variable, then environment) names it. Where neither does, it is looked
# for in TRAINHOST_LIBTORCH_PLACES, which find_package(trainhost) fills, and in this tree in the
# folder that scripts/bootstrap fills. Only libtorch_cpu and libc10 are linked: the CUDA half is
# loaded by the cuda device plugin alone. The headers come in by -idirafter, because the wheel ships
# its own fmt and protobuf, which must not shadow the system's.
#
# Where there is none: an error; from find_package(), trainhost_NOT_FOUND_MESSAGE.
if(TARGET trainhost::libtorch)
  return()
endif()

# trainhost_libtorch_version(TORCH OUT): "2.11.0", or "" where the folder does not say.
function(trainhost_libtorch_version TORCH OUT)
  set(_text "")
  if(EXISTS "${TORCH}/include/torch/headeronly/version.h")
    file(READ "${TORCH}/include/torch/headeronly/version.h" _text)
  endif()
  set(_parts "")
  foreach(_part MAJOR MINOR PATCH)
    if(_text MATCHES "TORCH_VERSION_${_part} +([0-9]+)")
      list(APPEND _parts ${CMAKE_MATCH_1})
    endif()
  endforeach()
  list(JOIN _parts "." _version)
  set(${OUT} "${_version}" PARENT_SCOPE)
endfunction()

# A folder that was named is used or refused, never passed over for another.
if(TRAINHOST_LIBTORCH)
  set(_places "${TRAINHOST_LIBTORCH}")
elseif(NOT "$ENV{TRAINHOST_LIBTORCH}" STREQUAL "")
  set(_places "$ENV{TRAINHOST_LIBTORCH}")
elseif(CMAKE_FIND_PACKAGE_NAME STREQUAL "trainhost")
  set(_places ${TRAINHOST_LIBTORCH_PLACES})
else()
  set(_places "${CMAKE_SOURCE_DIR}/.deps/libtorch-2.11.0/torch")
endif()
set(_torch "")
foreach(_place IN LISTS _places)
  if(EXISTS "${_place}/lib/libtorch_cpu.so" AND EXISTS "${_place}/include/ATen/ATen.h")
    get_filename_component(_torch "${_place}" REALPATH)
    break()
  endif()
endforeach()

if(NOT _torch)
  list(JOIN _places ", " _places)
  if(NOT _places)
    set(_places "nowhere: none is recorded, and python3 has no torch")
  endif()
  set(_missing "no LibTorch found\n"
    "  expected: a folder with include/ATen/ATen.h and lib/libtorch_cpu.so\n"
    "  looked:   ${_places}\n"
    "  fix:      pass -DTRAINHOST_LIBTORCH=DIR; the 'torch' folder of a Python installation serves")
  string(JOIN "" _missing ${_missing})
  if(CMAKE_FIND_PACKAGE_NAME STREQUAL "trainhost")
    set(trainhost_NOT_FOUND_MESSAGE "${_missing}")
    return()
  endif()
  message(FATAL_ERROR "trainhost: ${_missing}, or run scripts/bootstrap")
endif()
set(TRAINHOST_LIBTORCH_DIR "${_torch}")
trainhost_libtorch_version("${_torch}" TRAINHOST_LIBTORCH_VERSION)

add_library(trainhost_libtorch INTERFACE)
add_library(trainhost::libtorch ALIAS trainhost_libtorch)
target_compile_options(trainhost_libtorch INTERFACE
  "SHELL:-idirafter ${_torch}/include"
  "SHELL:-idirafter ${_torch}/include/torch/csrc/api/include")
target_compile_definitions(trainhost_libtorch INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
target_link_libraries(trainhost_libtorch INTERFACE
  ${_torch}/lib/libtorch_cpu.so ${_torch}/lib/libc10.so)
# libtorch_cpu needs CUDA run-time libraries that its own RPATH finds at run time, not at link time.
target_link_options(trainhost_libtorch INTERFACE -Wl,--allow-shlib-undefined)
