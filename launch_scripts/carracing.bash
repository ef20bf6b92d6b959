#!/usr/bin/env bash
# CarRacing from nothing to a driver, its score and its video. Stop it at any time: the same command goes on from there.
#   bash launch_scripts/carracing.bash                   # laptop scale: about half an hour on two cores
#   bash launch_scripts/carracing.bash --scale smoke     # everything, tiny, in two minutes
#   bash launch_scripts/carracing.bash --seed 1 --results results/carracing-seed1 --memory.epochs 20
#   bash launch_scripts/carracing.bash --iterations 2    # then all once more: the driver records, V, M and C go on from there
# Every flag goes to every verb; `.venv/bin/python -m WorldModels.record carracing --help` lists them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash launch_scripts/setup.bash
source "${WORLDMODELS_VENV:-.venv}/bin/activate"

six_verbs() {
  # 1. Look at the world: drive at random, keep what is seen.                        -> 0/episodes/
  python -m WorldModels.record carracing "$@"
  # 2. V learns to see: a frame becomes 32 numbers, and a frame again.               -> 0/vision.keras
  python -m WorldModels.train_vision carracing "$@"
  # 3. The episodes through V's eyes.                                                -> 0/series/
  python -m WorldModels.encode carracing "$@"
  # 4. M learns to remember and to predict what V sees next.                         -> 0/memory.keras
  python -m WorldModels.train_memory carracing "$@"
  # 5. C learns to act: CMA-ES evolves 867 numbers by their owners' returns.         -> 0/controller/
  python -m WorldModels.train_controller carracing "$@"
  # 6. The test: 100 tracks that chose nothing, in the official environment.         -> 0/evaluation.json, videos
  python -m WorldModels.evaluate carracing "$@"
}

# How long will it take here? Measures the machine for a few seconds.
python -m WorldModels.estimate carracing "$@"
iterations=1
if [[ " $*" =~ .*" --iterations"[=\ ]([0-9]+) ]]; then iterations="${BASH_REMATCH[1]}"; fi
if ((iterations == 1)); then
  six_verbs "$@"
else
  for ((k = 0; k < iterations; k++)); do six_verbs "$@" --iteration "$k"; done
fi
