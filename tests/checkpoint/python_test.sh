#!/usr/bin/env bash
# Runs the tests [python] with the safetensors package of PyPI. Exits with 77, which CTest shows as
# skipped, where the package cannot be had.
# usage: python_test.sh SOURCE_DIR CHECKPOINT_TEST
set -euo pipefail
# shellcheck source=../../scripts/lib/common.sh
source "$1/scripts/lib/common.sh"
# shellcheck source=../../scripts/lib/python_packages.sh
source "$1/scripts/lib/python_packages.sh"

skip() {
  printf 'SKIPPED: %s\n' "$1"
  exit 77
}

python=$(python_with_pip) || skip "there is no python3 with pip"
packages=$(python_packages "$python" safetensors safetensors==0.8.0) ||
  skip "pip cannot fetch safetensors (its words are above)"
PYTHONPATH=$packages TRAINHOST_TEST_PYTHON=$python "$2" "[python]"
