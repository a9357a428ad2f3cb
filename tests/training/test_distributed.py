"""Which process this is, and which part of a batch is its own."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from limner.errors import ConfigError, ResourceError
from limner.training import shared_norm
from limner.training.distributed import Ranks, Seat, answering, find_seat
from limner.training.shared_norm import share_statistics

TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}
SBATCH = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
SRUN = SBATCH | {"SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": "6", "SLURM_LOCALID": "2"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Seat()),
        (TORCHRUN, Seat(5, 8, 1, 4, "torchrun")),
        (SRUN, Seat(6, 8, 2, 4, "srun")),
        # A batch script that calls limner without srun is one process, whatever was asked for.
        (SBATCH, Seat()),
        # torchrun inside a job of SLURM, one for each machine.
        (SRUN | {"SLURM_STEP_NUM_TASKS": "2"} | TORCHRUN, Seat(5, 8, 1, 4, "torchrun")),
    ],
    ids=["alone", "torchrun", "srun", "sbatch", "torchrun in srun"],
)
def test_the_environment_says_which_process_this_is(
    environment: dict[str, str], expected: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in os.environ:
        if name.startswith(("SLURM_", "TORCHELASTIC_")):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert find_seat() == expected
    assert expected.machines * expected.local_count == expected.count


def test_machines_with_different_numbers_of_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (TORCHRUN | {"WORLD_SIZE": "7"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="nproc-per-node"):
        find_seat()


def test_every_sample_of_a_batch_is_in_one_part_in_order() -> None:
    keys = np.arange(7) * 3
    parts = [Ranks(Seat(rank, 3)).part(keys) for rank in range(3)]
    assert np.concatenate(parts).tolist() == keys.tolist()
    assert [len(part) for part in parts] == [3, 2, 2]


def test_a_lost_process_is_named_and_other_errors_are_left_alone() -> None:
    gloo = "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:545] Read error [127.0.0.1]:62124: Connection reset"
    with pytest.raises(ResourceError, match="Connection reset") as caught, answering():
        raise RuntimeError(gloo + " by peer. This is typically caused by …")
    assert "pair.cc" not in str(caught.value)
    assert "--resume" in caught.value.remedy
    with pytest.raises(RuntimeError, match="shapes"), answering():
        raise RuntimeError("shapes do not fit")


class _Pretended(Ranks):
    """One process that computes as if there were others."""

    shared = True  # type: ignore[assignment]

    def total_statistics(self, value: Tensor) -> Tensor:
        return value


def test_shared_statistics_are_those_of_batch_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_norm, "ranks", _Pretended)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(3, 4, 5, 6, generator=generator) * 3 + 100
    for make in (lambda: nn.BatchNorm2d(4), lambda: BatchNormAct2d(4)):
        plain, shared = make(), share_statistics(nn.Sequential(make()), "cpu")
        results = []
        for norm in (plain, shared):
            own = images.clone().requires_grad_()
            for _ in range(2):
                result = norm(own)
            result.square().mul(torch.arange(6)).sum().backward()
            results.append((result.detach(), own.grad))
        torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(dict(plain.state_dict()), {k[2:]: v for k, v in shared.state_dict().items()})
        torch.testing.assert_close(plain.eval()(images), shared.eval()(images))
