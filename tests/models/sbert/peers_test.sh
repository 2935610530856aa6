#!/usr/bin/env bash
# Runs peers_test.py in the environment that TRAINHOST_PEERS names (scripts/test --peers makes it).
# Exits with 77, which CTest shows as skipped, without one.
# usage: peers_test.sh FOLDER TRAINHOST
set -euo pipefail
if [[ -z ${TRAINHOST_PEERS:-} ]]; then
  printf 'SKIPPED: no environment with sentence-transformers (scripts/test --peers)\n'
  exit 77
fi
exec "$TRAINHOST_PEERS/bin/python" "$1/peers_test.py" "$2"
