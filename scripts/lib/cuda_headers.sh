# What cuda.so and kgat_cuda.so are built with: a CUDA toolkit, or the headers and the compiler of
# Python's packages.
# Sourced after common.sh, never run. Uses find_pip and download of scripts/bootstrap.
# shellcheck shell=bash

readonly CUDA_MAJOR=13
# The versions that torch 2.11.0 names, and the two packages of headers beside them.
readonly CUDA_WHEELS=(nvidia-cuda-runtime==13.0.96 nvidia-cuda-crt==13.0.88 nvidia-cuda-cccl==13.0.85
  nvidia-cublas==13.1.0.3 nvidia-cusparse==12.6.3.3 nvidia-cusolver==12.0.4.66
  nvidia-nccl-cu13==2.28.9 nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88)
readonly CUDA_GB=3

cuda_bundle=$deps/cuda-headers
cuda_headers=
# Where installed toolkits are; the tests put something else here.
cuda_places=("${TRAINHOST_CUDA_PLACES:-/usr/local/cuda}")

# is_cuda_toolkit DIR: it holds the headers that cuda.so includes, of the release that is wanted.
is_cuda_toolkit() {
  local header
  for header in cuda_runtime_api.h crt/host_defines.h cublas_v2.h cublasLt.h cusparse.h cusolverDn.h; do
    [[ -f $1/include/$header ]] || return 1
  done
  grep -q "^#define CUDART_VERSION  *${CUDA_MAJOR}0" "$1/include/cuda_runtime_api.h" || return 1
  for header in "$1/include" "$1/../nccl/include" /usr/include /usr/local/include; do
    [[ ! -f $header/nccl.h ]] || return 0
  done
  return 1
}

# cuda_headers_missing: fails, with cuda_headers set, where they are there.
cuda_headers_missing() {
  local place nvcc
  if [[ -n ${TRAINHOST_CUDA:-} ]]; then
    is_cuda_toolkit "$TRAINHOST_CUDA" ||
      fail "$EXIT_FAILED" "TRAINHOST_CUDA names a folder without what cuda.so is built with" \
        "where:    $TRAINHOST_CUDA" \
        "expected: the headers of CUDA $CUDA_MAJOR (runtime, crt, cuBLAS, cuSPARSE, cuSOLVER) and nccl.h" \
        "fix:      unset it to have them fetched from Python's packages"
    cuda_headers=$TRAINHOST_CUDA
    return 1
  fi
  nvcc=$(command -v nvcc) && cuda_places+=("$(dirname "$(dirname "$(readlink -f "$nvcc")")")")
  for place in "$cuda_bundle/nvidia/cu13" "${cuda_places[@]}"; do
    is_cuda_toolkit "$place" || continue
    [[ $place != "$cuda_bundle"/* || $(<"$cuda_bundle/.trainhost-complete") == "${CUDA_WHEELS[*]}" ]] ||
      continue
    cuda_headers=$place
    return 1
  done
}

# unpack_headers PYTHON FOLDER WHEEL...: what lies in their include/ folders, the compiler (nvcc's own
# folders, programs executable again), and their licences.
unpack_headers() {
  "$1" - "${@:2}" <<'PYTHON'
import os, sys, zipfile
for wheel in sys.argv[2:]:
    compiler = os.path.basename(wheel).startswith(("nvidia_cuda_nvcc", "nvidia_nvvm"))
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            program = compiler and "/bin/" in name
            if program or "/include/" in name or ".dist-info/" in name or compiler and "/nvvm/" in name:
                path = archive.extract(name, sys.argv[1])
                if program and os.path.isfile(path):
                    os.chmod(path, 0o755)
PYTHON
}

fetch_cuda_headers() {
  local python work
  require_space "$deps" $CUDA_GB "CUDA's headers"
  python=$(find_pip) || fail "$EXIT_FAILED" "pip is missing, which fetches CUDA's headers" \
    "expected: python3 -m pip" "fix:      apt-get install python3-pip"
  say "fetching CUDA's headers into ${cuda_bundle#"$root"/}: ${CUDA_WHEELS[*]} (1 GB)"
  rm -rf "$deps"/tmp-cuda.*
  work=$(mktemp -d "$deps/tmp-cuda.XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf '$work'" EXIT
  mkdir "$work/wheels" "$work/tree"
  download "$python" "$work/wheels" "${CUDA_WHEELS[@]}" ||
    fail "$EXIT_FAILED" "pip could not fetch CUDA's headers (its words are above)" \
      "fix:      no network: set https_proxy, or PIP_INDEX_URL for a mirror" \
      "          or install a CUDA $CUDA_MAJOR toolkit with NCCL and name it with TRAINHOST_CUDA=DIR"
  unpack_headers "$python" "$work/tree" "$work"/wheels/*.whl && is_cuda_toolkit "$work/tree/nvidia/cu13" ||
    fail "$EXIT_FAILED" "the downloaded headers of CUDA are not complete" \
      "fix:      run again; if it stays, clear pip's cache: $python -m pip cache purge"
  printf '%s\n' "${CUDA_WHEELS[*]}" >"$work/tree/.trainhost-complete"
  chmod 755 "$work/tree"
  rm -rf "$cuda_bundle"
  mv -T "$work/tree" "$cuda_bundle"
  rm -rf "$work"
  cuda_headers=$cuda_bundle/nvidia/cu13
}
