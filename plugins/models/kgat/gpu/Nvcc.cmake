# trainhost_add_cuda_objects(OUT INCLUDES a.cu …): object files of CUDA sources, in the list OUT.
#
# nvcc is called as a command, not as CMake's language: it comes as well from a Python package, which
# has no complete toolkit that CMake's own test of the language would accept. Machine code for every
# architecture from Turing to Blackwell that CUDA 13 knows, and PTX for what comes after.
#   TRAINHOST_NVCC          the compiler; empty where there is none
#   TRAINHOST_NVCC_WHY_NOT  then the reason
set(TRAINHOST_CUDA_ARCHITECTURES 75 80 86 89 90 100 CACHE STRING "sm_… of the CUDA kernels")

function(_trainhost_find_nvcc)
  set(TRAINHOST_NVCC "" PARENT_SCOPE)
  set(_fetched ${CMAKE_SOURCE_DIR}/.deps/cuda-headers/nvidia/cu13)
  if(TRAINHOST_CUDA STREQUAL "OFF")
    set(TRAINHOST_NVCC_WHY_NOT "TRAINHOST_CUDA is OFF" PARENT_SCOPE)
    return()
  endif()
  find_program(_nvcc nvcc NO_CACHE HINTS ${TRAINHOST_CUDA}/bin ${_fetched}/bin /usr/local/cuda/bin)
  if(NOT _nvcc)
    set(TRAINHOST_NVCC_WHY_NOT "there is no nvcc; to get one: scripts/bootstrap --cuda" PARENT_SCOPE)
    return()
  endif()
  execute_process(COMMAND ${_nvcc} --version OUTPUT_VARIABLE _text ERROR_QUIET RESULT_VARIABLE _code)
  if(NOT _code EQUAL 0 OR NOT _text MATCHES "release ([0-9]+)\\.([0-9]+)")
    set(TRAINHOST_NVCC_WHY_NOT "${_nvcc} does not run" PARENT_SCOPE)
  elseif(NOT CMAKE_MATCH_1 EQUAL 13)
    set(TRAINHOST_NVCC_WHY_NOT
        "${_nvcc} is of CUDA ${CMAKE_MATCH_1}.${CMAKE_MATCH_2}, LibTorch wants 13" PARENT_SCOPE)
  else()
    set(TRAINHOST_NVCC ${_nvcc} PARENT_SCOPE)
  endif()
endfunction()

_trainhost_find_nvcc()

function(trainhost_add_cuda_objects OUT INCLUDES)
  set(_flags -std=c++20 -O3 --compiler-bindir ${CMAKE_CXX_COMPILER} -Xcompiler=-fPIC,-Wall,-Wextra
             -Xcompiler=-fvisibility=hidden --Werror all-warnings)
  foreach(_architecture IN LISTS TRAINHOST_CUDA_ARCHITECTURES)
    list(APPEND _flags -gencode arch=compute_${_architecture},code=sm_${_architecture})
    set(_newest ${_architecture})
  endforeach()
  list(APPEND _flags -gencode arch=compute_${_newest},code=compute_${_newest})
  foreach(_folder IN LISTS INCLUDES TRAINHOST_CUDA_INCLUDES)
    list(APPEND _flags -I${_folder})
  endforeach()
  set(_objects "")
  foreach(_source IN LISTS ARGN)
    set(_object ${CMAKE_CURRENT_BINARY_DIR}/${_source}.o)
    add_custom_command(OUTPUT ${_object} DEPENDS ${_source} DEPFILE ${_object}.d VERBATIM
      COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${TRAINHOST_NVCC} ${_flags} -MD -MF ${_object}.d
              -c ${CMAKE_CURRENT_SOURCE_DIR}/${_source} -o ${_object}
      COMMENT "Building CUDA object ${_source}.o")
    list(APPEND _objects ${_object})
  endforeach()
  set_source_files_properties(${_objects} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  set(${OUT} ${_objects} PARENT_SCOPE)
endfunction()
