"""What `keep_large_blocks` promises is measured in processes of their own: it cannot be undone."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="acts on glibc only")

COUNT_FAULTS = """
import resource
from limner.allocator import keep_large_blocks
kept = keep_large_blocks()
def fill():
    return b"x" * (48 * 2**20)  # 12,288 pages, written at once and freed
fill(); fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    fill()
print(kept, keep_large_blocks(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
import sys
print("torch" in sys.modules)
"""


def run(**environment: str) -> tuple[bool, bool, int, bool]:
    result = subprocess.run(
        [sys.executable, "-c", COUNT_FAULTS],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    kept, again, faults, torch = result.stdout.split()
    return kept == "True", again == "True", int(faults), torch == "True"


def test_kept_blocks_cause_no_page_faults() -> None:
    kept, again, faults, torch = run(LIMNER_ALLOCATOR="")
    assert kept
    assert again
    assert faults < 100
    assert not torch


def test_the_off_switch_leaves_the_allocator_alone() -> None:
    kept, again, faults, _ = run(LIMNER_ALLOCATOR="default")
    assert not kept
    assert not again
    # Large pages may serve 512 small ones with one fault.
    assert faults > 5 * 48 // 2
