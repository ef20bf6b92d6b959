#!/usr/bin/env bash
# Starts JupyterLab on notebooks/, reachable only from this machine. It prints the address to open, with a token that is new each time.
#   bash launch_scripts/notebook.bash                        # http://127.0.0.1:8888
#   bash launch_scripts/notebook.bash --port 9999            # every flag goes to `jupyter lab`
#   EXPERIMENT=takecover RESULTS=results/takecover-seed1 bash launch_scripts/notebook.bash
# WORLDMODELS_NOTEBOOK_IP sets the address to listen on. In the container it is 0.0.0.0, because the container's port is
# published only on the host's 127.0.0.1. JUPYTER_TOKEN sets a token of your own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash launch_scripts/setup.bash
source "${WORLDMODELS_VENV:-.venv}/bin/activate"

# Jupyter keeps its settings and connections in the home folder, and does not start without.
if [[ ! -w "${HOME:-}" ]]; then
  echo "notebook.bash: the home folder '${HOME:-}' cannot be written; Jupyter gets a temporary one." >&2
  HOME="$(mktemp -d)"
  export HOME
fi

exec jupyter lab --no-browser --ip "${WORLDMODELS_NOTEBOOK_IP:-127.0.0.1}" --LabApp.default_url=/lab/tree/notebooks "$@"
