#!/usr/bin/env bash
# Sets up .venv if need be, lints, checks the format, and runs the tests.
#   bash launch_scripts/test.bash                    # everything
#   bash launch_scripts/test.bash --quick            # only the quick tests: under three minutes
#   bash launch_scripts/test.bash --quick -k vision  # all other arguments go to pytest
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash launch_scripts/setup.bash --doom
source "${WORLDMODELS_VENV:-.venv}/bin/activate"
arguments=()
for argument in "$@"; do
  if [[ "$argument" == --quick ]]; then arguments+=(-m "not slow"); else arguments+=("$argument"); fi
done
ruff check .
ruff format --check .
# One process per core, at most four: each may hold a network or two.
python -m pytest --numprocesses auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder \
  ${arguments[@]+"${arguments[@]}"}
