#!/usr/bin/env bash
# The paper's table 2: evolve one driver in the dream at each of five temperatures, with the same V and M, and test
# each in 100 real games.
#   bash launch_scripts/wm_doom.bash             # first: V and M
#   bash launch_scripts/temperatures.bash        # then the table; flags go to `python -m WorldModels.temperatures`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash launch_scripts/setup.bash --doom
source "${WORLDMODELS_VENV:-.venv}/bin/activate"

python -m WorldModels.temperatures takecover "$@"
