#!/usr/bin/env bash
# Makes .venv with everything in requirements.txt, once; later calls return at once.
#   bash launch_scripts/setup.bash           # for the CPU; --cpu says the same
#   bash launch_scripts/setup.bash --gpu     # with CUDA and cuDNN from PyPI; the host needs only NVIDIA's driver
#   bash launch_scripts/setup.bash --doom    # with ViZDoom, for Take Cover
# WORLDMODELS_VENV names a virtual environment to use instead of .venv, in all launch scripts; the container sets it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "$OSTYPE" in
  msys* | cygwin* | win32*) echo "error: setup.bash: expected Linux or macOS, received Windows; use WSL (wsl --install)." >&2; exit 2 ;;
esac

venv="${WORLDMODELS_VENV:-.venv}"
# --gpu and --doom stick: later calls keep them even if they are not given.
gpu=false doom=false
[[ -f "$venv/.gpu" ]] && gpu=true
[[ -f "$venv/.doom" ]] && doom=true
for flag in "$@"; do
  case "$flag" in
    --cpu) ;;
    --gpu) gpu=true ;;
    --doom) doom=true ;;
    *) echo "error: setup.bash: expected --cpu, --gpu, --doom or nothing, received '$flag'." >&2; exit 2 ;;
  esac
done

packages=("tensorflow==2.21.0")
if $gpu; then packages=("tensorflow[and-cuda]==2.21.0"); fi
if $doom; then packages+=("vizdoom==1.3.2"); fi
sum() { if command -v sha256sum > /dev/null; then sha256sum; else shasum -a 256; fi; }  # macOS has only shasum
stamp="${packages[*]} $(cat requirements.txt pyproject.toml | sum)"
if [[ "$(cat "$venv/.installed" 2>/dev/null)" == "$stamp" ]]; then exit 0; fi

python=""
for candidate in python3.11 python3.12 python3.13 python3; do
  if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then python="$candidate"; break; fi
done
if [[ -z "$python" ]]; then echo "error: setup.bash: expected Python 3.11, 3.12 or 3.13, for which TensorFlow is made, found none; install one first." >&2; exit 2; fi

echo "Setting up $venv (once; this takes some minutes) ..."
[[ -x "$venv/bin/python" ]] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.txt "${packages[@]}"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --editable .
if $gpu; then touch "$venv/.gpu"; fi
if $doom; then touch "$venv/.doom"; fi
echo "$stamp" > "$venv/.installed"
