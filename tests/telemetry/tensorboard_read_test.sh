#!/usr/bin/env bash
# The tensorboard package of PyPI reads what a real run wrote: tensorboard_read_test.py. Exits with 77,
# which CTest shows as skipped, where the package cannot be had.
# usage: tensorboard_read_test.sh SOURCE_DIR TRAINHOST
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
packages=$(python_packages "$python" tensorboard tensorboard==2.20.0 'setuptools<81') ||
  skip "pip cannot fetch tensorboard (its words are above)"
PYTHONPATH=$packages "$python" "$(dirname "${BASH_SOURCE[0]}")/tensorboard_read_test.py" "$2"
