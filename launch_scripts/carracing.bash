#!/usr/bin/env bash
# CarRacing from nothing to a driver, its score and its video. Stop it whenever you like: the same
# command continues from there.
#   bash launch_scripts/carracing.bash                   # laptop scale: about half an hour on two cores
#   bash launch_scripts/carracing.bash --scale smoke     # everything, tiny, in two minutes
#   bash launch_scripts/carracing.bash --seed 1 --results results/carracing-seed1 --memory.epochs 20
#   bash launch_scripts/carracing.bash --iterations 2    # then all again: the driver records, and V, M and C train further
# Every flag goes to every verb; `.venv/bin/python -m WorldModels.record carracing --help` lists them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash launch_scripts/setup.bash
source "${WORLDMODELS_VENV:-.venv}/bin/activate"
source launch_scripts/verbs.bash

# How long will it take here? Tries every stage for a few seconds.
python -m WorldModels.estimate carracing --brief "$@"
# 1. record            Look at the world: drive at random and keep the episodes.               -> 0/episodes/
# 2. train_vision      V learns to see: it turns a frame into 32 numbers and back.             -> 0/vision.keras
# 3. encode            V encodes every frame of the episodes.                                  -> 0/series/
# 4. train_memory      M learns to remember, and to predict what V sees next.                  -> 0/memory.keras
# 5. train_controller  C learns to act: CMA-ES evolves its 867 parameters.                     -> 0/controller/
# 6. evaluate          The test: 100 test tracks, in the official environment.                 -> 0/evaluation.json, videos
six_verbs carracing "$@"
