#!/usr/bin/env bash
# Makes .venv with everything in requirements.txt, once; later calls return at once.
#   bash launch_scripts/setup.bash          # CPU
#   bash launch_scripts/setup.bash --gpu    # with CUDA and cuDNN from PyPI; the host needs only NVIDIA's driver
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in
  "") tensorflow="tensorflow==2.21.0" ;;
  --gpu) tensorflow="tensorflow[and-cuda]==2.21.0" ;;
  *) echo "error: setup.bash: expected --gpu or nothing, received '$1'." >&2; exit 2 ;;
esac

# A GPU set up once stays set up: without --gpu an existing environment is only brought up to date.
[[ -z "${1:-}" && -f .venv/.gpu ]] && tensorflow="tensorflow[and-cuda]==2.21.0"
stamp="$tensorflow $(cat requirements.txt pyproject.toml | sha256sum)"
if [[ "$(cat .venv/.installed 2>/dev/null)" == "$stamp" ]]; then exit 0; fi

python=""
for candidate in python3.11 python3.12 python3.13 python3; do
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python="$candidate"; break; fi
done
if [[ -z "$python" ]]; then echo "error: setup.bash: expected Python 3.11 or later, found none; install it first." >&2; exit 2; fi

echo "Setting up .venv (once, some minutes) ..."
[[ -x .venv/bin/python ]] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt "$tensorflow"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
if [[ "$tensorflow" == *and-cuda* ]]; then touch .venv/.gpu; fi
echo "$stamp" > .venv/.installed
