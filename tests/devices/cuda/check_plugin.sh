#!/usr/bin/env bash
# check_plugin.sh TRAINHOST CUDA.SO: the conformance suite, where LibTorch's CUDA half can be loaded.
set -euo pipefail
[[ -z ${TRAINHOST_CUDA_LIBTORCH:-} ]] || export TRAINHOST_LIBTORCH=$TRAINHOST_CUDA_LIBTORCH
code=0
out=$("$1" check-plugin "$2") || code=$?
printf '%s\n' "$out"
((code == 0)) && exit 0
# All but the loading must have passed.
failed=$(grep -c '^  fail ' <<<"$out")
if ((failed == 1)) && missing=$(grep -o 'needs the library lib\(cu\|nv\|nccl\)[^,]*, which is not found' <<<"$out"); then
  echo "skipped: cuda.so $missing; a LibTorch with all CUDA libraries: TRAINHOST_CUDA_LIBTORCH=DIR"
  exit 77
fi
exit 1
