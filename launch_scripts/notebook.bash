#!/usr/bin/env bash
# JupyterLab over notebooks/, on this machine only; it prints the address to open, with a token that is new each time.
#   bash launch_scripts/notebook.bash                        # http://127.0.0.1:8888
#   bash launch_scripts/notebook.bash --port 9999            # every flag goes to `jupyter lab`
#   EXPERIMENT=takecover RESULTS=results/takecover-seed1 bash launch_scripts/notebook.bash
# WORLDMODELS_NOTEBOOK_IP names another address to listen on: the container's is 0.0.0.0, since its port is published on
# the host's 127.0.0.1. A token of your own: JUPYTER_TOKEN.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash launch_scripts/setup.bash
source "${WORLDMODELS_VENV:-.venv}/bin/activate"

exec jupyter lab --no-browser --ip "${WORLDMODELS_NOTEBOOK_IP:-127.0.0.1}" --LabApp.default_url=/lab/tree/notebooks "$@"
