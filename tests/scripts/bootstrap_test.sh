#!/usr/bin/env bash
# scripts/bootstrap on machines that lack one thing or another.
# shellcheck disable=SC2016
# shellcheck source=harness.sh
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

# What lies in .deps, the lock aside.
deps() { find .deps -mindepth 1 -maxdepth 1 ! -name .lock -printf '%f\n' | sort; }

# A pip whose wheels hold a bundle: all of it in the first, copies of one small file in the others.
stub_pip() {
  [[ -n $real_python ]] || die "these tests need python3"
  fake_bundle "$box/bundle"
  stub python3 '
    if [[ $* == "-m pip --version" ]]; then exit 0; fi
    if [[ $1 == -m && $2 == pip ]]; then
      while [[ $1 != --dest ]]; do shift; done
      cd "'"$box"'/bundle" && exec "'"$real_python"'" -m zipfile -c "$2/torch.whl" ./*
    fi
    exec "'"$real_python"'" "$@"'
}

case_list_prints_packages_and_touches_nothing() {
  run 0 scripts/bootstrap --list
  prints ninja-build
  prints libprotobuf-dev
  silent
  [[ ! -s $box/calls && ! -e .deps ]] || die "something was touched"
}

case_help() {
  run 0 scripts/bootstrap --help
  starts "usage: scripts/bootstrap [--checks] [--cuda] [--quiet-if-done] [--list] [--help]"
  [[ ! -e .deps ]] || die "something was touched"
}

case_unknown_argument() {
  run 2 scripts/bootstrap --lisst
  says "unknown argument --lisst"
}

case_all_there_says_so_and_uses_no_network() {
  fake_libtorch "$box/torch" 2.11.0
  variables=(TRAINHOST_LIBTORCH="$box/torch")
  run 0 scripts/bootstrap
  says "LibTorch: $box/torch"
  prints_nothing
  not_called apt-get
  not_called python3
  run 0 scripts/bootstrap --quiet-if-done
  silent
}

case_named_folder_is_not_libtorch() {
  variables=(TRAINHOST_LIBTORCH="$box")
  run 4 scripts/bootstrap
  says "TRAINHOST_LIBTORCH names a folder without LibTorch"
  says "where:    $box"
  says "fix: "
  not_called apt-get
}

case_named_folder_is_one_too_high() {
  fake_libtorch "$box/site-packages/torch" 2.11.0
  variables=(TRAINHOST_LIBTORCH="$box/site-packages")
  run 4 scripts/bootstrap
  says "perhaps $box/site-packages/torch"
}

case_named_libtorch_has_another_version() {
  fake_libtorch "$box/torch" 2.10.1
  variables=(TRAINHOST_LIBTORCH="$box/torch")
  run 4 scripts/bootstrap
  says "expected: 2.11.0"
  says "got:      2.10.1"
}

case_version_is_read_from_the_python_package_too() {
  fake_libtorch "$box/torch" 2.11.0
  rm -r "$box/torch/include/torch"
  echo "__version__ = '2.11.0+cpu'" >"$box/torch/version.py"
  variables=(TRAINHOST_LIBTORCH="$box/torch")
  run 0 scripts/bootstrap
}

# lacking NAME...: dpkg-query that does not know these packages.
lacking() {
  stub dpkg-query 'shift 3; for name; do [[ " '"$*"' " == *" $name "* ]] || echo "$name installed"; done'
  fake_libtorch "$box/torch" 2.11.0
  variables=(TRAINHOST_LIBTORCH="$box/torch")
}

case_installs_only_what_is_missing_and_removes_nothing() {
  lacking mold catch2
  run 0 scripts/bootstrap --quiet-if-done
  says "installing system packages: mold catch2"
  called "install -y --no-remove --no-install-recommends mold catch2"
  prints_nothing
}

case_goes_on_when_the_package_lists_cannot_be_updated() {
  lacking mold
  stub apt-get '[[ $* != *update* ]]'
  run 0 scripts/bootstrap
  called "install -y"
}

case_apt_get_fails() {
  lacking mold
  stub apt-get 'echo "E: Could not resolve" >&2; exit 100'
  run 1 scripts/bootstrap
  says "apt-get could not install the system packages"
  says "https_proxy"
  says "apt-get install --no-remove --no-install-recommends mold"
}

case_other_distribution() {
  lacking mold
  remove_tool apt-get
  remove_tool dpkg-query
  run 1 scripts/bootstrap
  says "this distribution has no apt-get"
  says "build-essential cmake ninja-build"
  says "TRAINHOST_SKIP_APT=1"
  variables+=(TRAINHOST_SKIP_APT=1)
  run 0 scripts/bootstrap
}

case_neither_root_nor_sudo() {
  lacking mold
  stub id 'echo 1000'
  run 1 scripts/bootstrap
  says "as root: apt-get install --no-remove --no-install-recommends mold"
  not_called apt-get
}

case_through_sudo() {
  lacking mold
  stub id 'echo 1000'
  stub sudo 'shift; "$@"'
  run 0 scripts/bootstrap
  called "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get"
  called "install -y"
}

case_old_compiler() {
  lacking
  stub c++ 'echo 11.4.0'
  run 1 scripts/bootstrap
  says "the C++ compiler is too old"
  says "got:      11.4.0"
  says "CXX=g++-12"
  stub g++-12 'echo 12.3.0'
  variables+=(CXX="g++-12 -m64")
  run 0 scripts/bootstrap
}

case_old_cmake() {
  lacking
  stub cmake 'echo "cmake version 3.18.4"'
  run 1 scripts/bootstrap
  says "CMake is too old"
  says "expected: 3.22 or later"
}

case_no_ninja() {
  lacking
  remove_tool ninja
  run 1 scripts/bootstrap
  says "Ninja is missing"
}

case_other_machine() {
  stub uname 'case $1 in -s) echo Linux ;; *) echo aarch64 ;; esac'
  run 1 scripts/bootstrap
  says "got:      Linux on aarch64"
}

case_no_network() {
  stub python3 '[[ $* == "-m pip --version" ]]'
  run 4 scripts/bootstrap
  says "installing LibTorch 2.11.0 into .deps/libtorch-2.11.0: torch==2.11.0"
  says "pip could not fetch LibTorch"
  says "set https_proxy"
  says "TRAINHOST_LIBTORCH=DIR"
  [[ -z $(deps) ]] || die "left behind: $(deps)"
}

case_no_space() {
  stub df 'printf "Filesystem 1024-blocks Used Available Capacity Mounted\nfs 9 9 1048576 99%% /\n"'
  run 1 scripts/bootstrap
  says "not enough disk space for LibTorch"
  says "got:      1024 MB free"
  not_called python3
}

case_no_pip() {
  stub python3 'exit 1'
  run 1 scripts/bootstrap
  says "apt-get install python3-pip"
}

case_folder_that_cannot_be_made() {
  touch .deps
  run 1 scripts/bootstrap
  says "cannot write to $box/checkout/.deps"
  says "chown"
}

case_fetches_once() {
  stub_pip
  run 0 scripts/bootstrap
  called "torch==2.11.0 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85"
  called "--no-deps"
  [[ $(deps) == libtorch-2.11.0 ]] || die "left behind: $(deps)"
  [[ -f .deps/libtorch-2.11.0/torch/lib/libtorch_cpu.so ]] || die "no LibTorch"
  run 0 scripts/bootstrap --quiet-if-done
  silent
  not_called python3
  not_called apt-get
}

case_fetches_again_when_a_file_is_gone() {
  stub_pip
  run 0 scripts/bootstrap
  rm .deps/libtorch-2.11.0/nvidia/cu13/lib/libcudart.so.13
  run 0 scripts/bootstrap
  called "torch==2.11.0"
  [[ -f .deps/libtorch-2.11.0/nvidia/cu13/lib/libcudart.so.13 ]] || die "still gone"
}

case_incomplete_download_is_refused() {
  stub_pip
  echo "more than the list says" >"$box/bundle/nvidia/cu13/lib/libcudart.so.13"
  run 4 scripts/bootstrap
  says "the downloaded LibTorch is not complete"
  [[ -z $(deps) ]] || die "left behind: $(deps)"
}

case_killed_while_fetching_leaves_nothing_half_made() {
  stub python3 '[[ $* == "-m pip --version" ]] || kill -KILL $PPID'
  run 137 scripts/bootstrap
  [[ ! -e .deps/libtorch-2.11.0 ]] || die "half-made folder"
  stub_pip
  run 0 scripts/bootstrap
  [[ $(deps) == libtorch-2.11.0 ]] || die "left behind: $(deps)"
}

case_folder_unpacked_by_hand_is_taken_over() {
  stub python3 'exec "'"$real_python"'" "$@"'
  fake_bundle .deps/libtorch-2.11.0
  run 0 scripts/bootstrap
  says "unpacked by hand"
  not_called apt-get
  run 0 scripts/bootstrap --quiet-if-done
  silent
}

case_damaged_folder_unpacked_by_hand_is_replaced() {
  stub_pip
  fake_bundle .deps/libtorch-2.11.0
  : >.deps/libtorch-2.11.0/nvidia/cu13/lib/libcudart.so.13
  run 0 scripts/bootstrap
  called "torch==2.11.0"
  [[ -s .deps/libtorch-2.11.0/nvidia/cu13/lib/libcudart.so.13 ]] || die "still damaged"
}

# fake_toolkit DIR VERSION: the headers by which a CUDA toolkit with NCCL is known.
fake_toolkit() {
  local header
  mkdir -p "$1/include/crt"
  for header in crt/host_defines.h cublas_v2.h cublasLt.h cusparse.h cusolverDn.h nccl.h; do
    touch "$1/include/$header"
  done
  printf '#define CUDART_VERSION  %s\n' "$2" >"$1/include/cuda_runtime_api.h"
}

# A machine with LibTorch and no toolkit, and a pip whose one wheel holds CUDA's headers.
no_toolkit() {
  fake_libtorch "$box/torch" 2.11.0
  variables=(TRAINHOST_LIBTORCH="$box/torch" TRAINHOST_CUDA_PLACES="$box/toolkit")
  [[ -n $real_python ]] || die "these tests need python3"
  fake_toolkit "$box/wheel/nvidia/cu13" "${1:-13000}"
  mkdir -p "$box/wheel/nvidia/cu13/lib"
  echo large >"$box/wheel/nvidia/cu13/lib/libcublas.so.13"
  stub python3 '
    if [[ $* == "-m pip --version" ]]; then exit 0; fi
    if [[ $1 == -m && $2 == pip ]]; then
      while [[ $1 != --dest ]]; do shift; done
      cd "'"$box"'/wheel" && exec "'"$real_python"'" -m zipfile -c "$2/cuda.whl" ./*
    fi
    exec "'"$real_python"'" "$@"'
}

case_cuda_takes_an_installed_toolkit() {
  no_toolkit
  fake_toolkit "$box/toolkit" 13000
  run 0 scripts/bootstrap --cuda
  says "cuda.so is built with $box/toolkit"
  not_called python3
  [[ -z $(deps) ]] || die "left behind: $(deps)"
}

case_cuda_fetches_headers_alone_and_once() {
  no_toolkit
  run 0 scripts/bootstrap --cuda
  called "nvidia-nccl-cu13==2.28.9"
  called "--no-deps"
  says "cuda.so is built with .deps/cuda-headers/nvidia/cu13"
  [[ $(deps) == cuda-headers ]] || die "left behind: $(deps)"
  [[ -f .deps/cuda-headers/nvidia/cu13/include/nccl.h ]] || die "no headers"
  [[ ! -e .deps/cuda-headers/nvidia/cu13/lib ]] || die "a library was kept"
  run 0 scripts/bootstrap --cuda --quiet-if-done
  silent
  not_called python3
}

case_cuda_of_another_release_is_passed_over() {
  no_toolkit
  fake_toolkit "$box/toolkit" 12080
  run 0 scripts/bootstrap --cuda
  called "nvidia-cublas==13.1.0.3"
}

case_cuda_named_toolkit_does_not_serve() {
  no_toolkit
  fake_toolkit "$box/named" 13000
  rm "$box/named/include/cusparse.h"
  variables+=(TRAINHOST_CUDA="$box/named")
  run 1 scripts/bootstrap --cuda
  says "TRAINHOST_CUDA names a folder without"
  not_called python3
}

case_cuda_headers_that_are_not_complete_are_refused() {
  no_toolkit 12080
  run 1 scripts/bootstrap --cuda
  says "the downloaded headers of CUDA are not complete"
  [[ -z $(deps) ]] || die "left behind: $(deps)"
}

case_cuda_no_network() {
  no_toolkit
  stub python3 '[[ $* == "-m pip --version" ]]'
  run 1 scripts/bootstrap --cuda
  says "pip could not fetch CUDA"
  says "TRAINHOST_CUDA=DIR"
}

case_without_cuda_nothing_of_it_is_looked_for() {
  no_toolkit
  run 0 scripts/bootstrap
  not_called python3
}

run_cases "$1"
