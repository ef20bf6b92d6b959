#!/usr/bin/env bash
# Doom's Take Cover, learned inside a dream: C never sees the game until it is tested in it.
#   bash launch_scripts/wm_doom.bash                   # laptop scale: about three quarters of an hour on two cores
#   bash launch_scripts/wm_doom.bash --scale smoke     # everything, tiny, in two minutes
#   bash launch_scripts/wm_doom.bash --seed 1 --results results/takecover-seed1
# Stop it at any time: the same command goes on from there. Every flag goes to every verb.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash launch_scripts/setup.bash --doom
source "${WORLDMODELS_VENV:-.venv}/bin/activate"

# How long will it take here? Measures the machine for a few seconds.
python -m WorldModels.estimate takecover "$@"
# 1. Look at the game: play at random, keep what is seen.                          -> 0/episodes/
python -m WorldModels.record takecover "$@"
# 2. V learns to see: a frame becomes 64 numbers, and a frame again.               -> 0/vision.keras
python -m WorldModels.train_vision takecover "$@"
# 3. The games through V's eyes.                                                   -> 0/series/
python -m WorldModels.encode takecover "$@"
# 4. M learns what comes next, and when one dies: now it can dream.                -> 0/memory.keras
python -m WorldModels.train_memory takecover "$@"
# 5. C learns to act in the dream alone.                                           -> 0/controller/
python -m WorldModels.train_controller takecover "$@"
# 6. The test: real games that chose nothing.                                      -> 0/evaluation.json, videos
python -m WorldModels.evaluate takecover "$@"
