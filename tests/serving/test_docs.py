"""The commands of docs/how-to/serve.md do what the page says."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from limner.images import encode_png

PAGE = Path(__file__).parents[2] / "docs/how-to/serve.md"
TOKEN = "0123456789abcdef"


def _commands():
    """Lines of the page that ask a server, in order, with those they depend on."""
    text = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    return [line for line in text.splitlines() if line.startswith(("curl", "printf"))]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_every_command_of_the_page_is_answered(serve, every_task, png, tmp_path):
    bundle = every_task("unet")
    models = {"cells": bundle}
    open_server = serve(models=models, save=tmp_path / "saved")
    closed = serve(models=models, token=TOKEN)
    for name, seed in (("picture", 1), ("other", 2)):
        (tmp_path / f"{name}.png").write_bytes(png(seed=seed))
    (tmp_path / "mask.png").write_bytes(encode_png(np.ones((24, 32), np.uint8)))
    commands = _commands()
    assert len(commands) >= 9
    for command in commands:
        line = command.replace("http://127.0.0.1:8000", open_server.url).replace("http://server:8000", closed.url)
        line = line.replace("curl ", "curl --silent --show-error --fail-with-body ", 1)
        done = subprocess.run(
            ["sh", "-c", line], cwd=tmp_path, capture_output=True, env=os.environ | {"LIMNER_TOKEN": TOKEN}, timeout=60
        )
        assert done.returncode == 0, (command, done.stdout[:500], done.stderr)
        assert done.stdout or "-o predictions.zip" in command or command.startswith("printf"), command
    assert (tmp_path / "predictions.zip").read_bytes()[:2] == b"PK"
    assert (tmp_path / "saved/masks/binary/patient-7.png").exists()
