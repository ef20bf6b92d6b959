# The six verbs of an experiment, in order. Launch scripts source this file and call:
#   six_verbs carracing "$@"
# It passes every flag to every verb. With --iterations N all six run N times, each time in the
# next folder of the run: 0/, 1/, ...
# shellcheck shell=bash

six_verbs() {
  local experiment="$1" text pass verb
  shift
  # Python reads the flags, so that a mistyped one is refused here, before anything runs. It
  # prints `--iteration 0`, `--iteration 1`, ..., or one empty line for a single pass.
  text="$(python -m WorldModels.experiment.iterations "$experiment" "$@")"
  while IFS= read -r pass <&3; do
    for verb in record train_vision encode train_memory train_controller evaluate; do
      # shellcheck disable=SC2086  # a flag and its value
      python -m "WorldModels.$verb" "$experiment" "$@" $pass 3<&-
    done
  done 3<<< "$text"
}
