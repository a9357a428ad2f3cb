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


def test_predicting_with_a_unet_starts_without_what_it_does_not_need(every_task, cells, tmp_path):
    # torch's compiler and the metrics each take as long to import as reading the bundle and predicting a picture.
    bundle, picture = every_task("unet", channels=1), min((cells / "images").iterdir())
    code = (
        f"import sys, limner; limner.predict({str(bundle)!r}, {str(picture)!r}, out={str(tmp_path / 'out')!r})\n"
        "print([m for m in ('torch._dynamo', 'limner.exporting.proof', 'scipy.spatial') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
