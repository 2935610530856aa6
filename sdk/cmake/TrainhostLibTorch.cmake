# trainhost::libtorch: LibTorch's CPU half as an interface target.
#
# Looks in TRAINHOST_LIBTORCH (CMake variable, then environment), then in the folder that
# scripts/bootstrap fills. Only libtorch_cpu and libc10 are linked: the CUDA half is loaded by the
# cuda device plugin alone. The headers come in by -idirafter, because the wheel ships its own fmt
# and protobuf, which must not shadow the system's.
if(TARGET trainhost::libtorch)
  return()
endif()

set(_candidates "${TRAINHOST_LIBTORCH}" "$ENV{TRAINHOST_LIBTORCH}"
    "${CMAKE_SOURCE_DIR}/.deps/libtorch-2.11.0/torch")
set(_torch "")
foreach(_candidate IN LISTS _candidates)
  if(_candidate AND EXISTS "${_candidate}/lib/libtorch_cpu.so"
     AND EXISTS "${_candidate}/include/ATen/ATen.h")
    get_filename_component(_torch "${_candidate}" REALPATH)
    break()
  endif()
endforeach()
if(NOT _torch)
  message(FATAL_ERROR "trainhost: no LibTorch found (looked at: ${_candidates}).\n"
    "  expected a folder with include/ATen/ATen.h and lib/libtorch_cpu.so\n"
    "  fix: run scripts/bootstrap, or pass -DTRAINHOST_LIBTORCH=DIR, e.g. the 'torch' folder of a "
    "Python installation")
endif()
set(TRAINHOST_LIBTORCH_DIR "${_torch}")

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
