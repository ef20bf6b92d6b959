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
# One process more than there are cores, since tests also wait for files and for children; five at
# most, as each may hold a network or two.
processes="$(python -c 'import os; print(min(5, (os.cpu_count() or 1) + 1))')"
python -m pytest --numprocesses "$processes" --dist loadscope --no-loadscope-reorder \
  ${arguments[@]+"${arguments[@]}"}
