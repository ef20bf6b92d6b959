#!/usr/bin/env bash
# Any Gymnasium environment from nothing to a driver, its score and its video. Stop it whenever you
# like: the same command continues from there.
#   bash launch_scripts/gymnasium.bash --env.id LunarLander-v3                 # V sees pictures
#   bash launch_scripts/gymnasium.bash --env.id LunarLander-v3 --env.observation vector --vision.kind dense    # numbers
#   bash launch_scripts/gymnasium.bash --env.id CartPole-v1 --scale smoke      # everything, tiny
#   bash launch_scripts/gymnasium.bash --env.id my_module:Maze-v0 --env.kwargs '{"size": 9}'
# A run lies in results/<the id without namespace, module and version>. Every flag goes to every verb;
# `.venv/bin/python -m WorldModels.record gymnasium --help` lists them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash launch_scripts/setup.bash
source "${WORLDMODELS_VENV:-.venv}/bin/activate"
source launch_scripts/verbs.bash

# How long will it take here? Tries every stage for a few seconds.
python -m WorldModels.estimate gymnasium --brief "$@"
six_verbs gymnasium "$@"
