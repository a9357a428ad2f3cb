"""Where runs and bundles lie, and what the commands that look there import."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("verb", ["predict", "evaluate", "export", "explain", "calibrate"])
def test_what_uses_a_model_does_not_import_what_trains_it(verb):
    # Lightning alone takes as long to import as the rest of a prediction.
    code = f"import sys, limner.workflow.{verb}; print([m for m in ('lightning', 'torchvision') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
