#!/usr/bin/env bash
# Sets up .venv if need be, lints, and runs the tests. Arguments go to pytest:
#   bash launch_scripts/test.bash                    # everything
#   bash launch_scripts/test.bash -m "not slow"      # the quick ones
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash launch_scripts/setup.bash --doom
source "${WORLDMODELS_VENV:-.venv}/bin/activate"
ruff check .
# As many processes as there are cores, four at most: each may hold a network or two.
python -m pytest --numprocesses auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder "$@"
