"""A verb whose output is complete says so without importing Keras, which takes seconds."""

import subprocess
import sys

import pytest
from conftest import ROOT, SIX

pytestmark = pytest.mark.slow


def test_a_complete_verb_does_not_import_keras(smoke_run):
    code = f"""
import importlib, sys
for verb in {SIX[:5]}:
    flags = ["carracing", "--scale", "smoke", "--results", {str(smoke_run)!r}]
    importlib.import_module(f"WorldModels.{{verb}}").main(flags)
    assert "keras" not in sys.modules, verb
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("there already") == 5
