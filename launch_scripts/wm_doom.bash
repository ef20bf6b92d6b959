#!/usr/bin/env bash
# Doom's Take Cover, learned inside a dream: C never sees the game before its test.
#   bash launch_scripts/wm_doom.bash                   # laptop scale: about half an hour on two cores
#   bash launch_scripts/wm_doom.bash --scale smoke     # everything, tiny, in two minutes
#   bash launch_scripts/wm_doom.bash --seed 1 --results results/takecover-seed1
#   bash launch_scripts/wm_doom.bash --iterations 2    # then all again: the driver records, and V, M and C train further
# Stop it whenever you like: the same command continues from there. Every flag goes to every verb.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash launch_scripts/setup.bash --doom
source "${WORLDMODELS_VENV:-.venv}/bin/activate"
source launch_scripts/verbs.bash

# How long will it take here? Tries every stage for a few seconds.
python -m WorldModels.estimate takecover --brief "$@"
# 1. record            Look at the game: play at random and keep the episodes.                  -> 0/episodes/
# 2. train_vision      V learns to see: it turns a frame into 64 numbers and back.              -> 0/vision.keras
# 3. encode            V encodes every frame of the games.                                      -> 0/series/
# 4. train_memory      M learns what comes next and when the player dies, so it can dream.      -> 0/memory.keras
# 5. train_controller  C learns to act, only in the dream.                                      -> 0/controller/
# 6. evaluate          The test: real games that C has not seen.                                -> 0/evaluation.json, videos
six_verbs takecover "$@"
