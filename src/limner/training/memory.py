"""Memory: how much a step takes, by taking it; and how a batch is computed so that it fits.

Layer: training, below `fit`.
"""

from __future__ import annotations

import contextlib
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from limner.config import Config
from limner.data.prepare import Prepared
from limner.images.limits import memory
from limner.models import Summary
from limner.training.phases import Phase
from limner.training.pieces import out_of_memory
from limner.training.plan import Plan
from limner.training.trial import trying
from limner.types import Progress

_FREE = 0.9  # share of the free memory that a step may take: validation, readers and the system need some, too
_PLENTY = 8  # times the counted activations and weights: with so much free there is nothing to find out
_NORMED = 4  # samples at once under which the statistics of batch norm are bad (Wu & He 2018, arXiv 1803.08494, fig. 1)


@dataclass(frozen=True)
class Shares:
    """How a batch is computed.

    Attributes:
        accumulate: Pieces, whose gradients are added up.
        recompute: Whether activations are computed again for the backward pass.
        because: Why.
        peak: Bytes that a step takes on top of what was there; 0 where it was not measured.
    """

    accumulate: int
    recompute: bool
    because: str
    peak: int = 0

    def applied(self, plan: Plan, config: Config) -> Plan:
        """The plan with these; what is set stays."""
        training = config.training
        because = dict(plan.because)
        because |= {"accumulate": self.because} if training.accumulate is None else {}
        because |= {"recompute": self.because} if training.recompute is None else {}
        return replace(plan, accumulate=self.accumulate, recompute=self.recompute, because=because)


def fit_to_memory(
    config: Config,
    data: Prepared,
    plan: Plan,
    summary: Summary,
    *,
    always: bool = False,
    progress: Progress | None = None,
) -> Shares | None:
    """Find out how a batch fits in memory.

    A batch that does not is computed in pieces. Where these would hold fewer than four samples and the network has
    batch norm, activations are recomputed first, which changes no number.

    Args:
        config: Settings; `training.accumulate` and `training.recompute` are kept.
        data: Samples.
        plan: What was decided.
        summary: Of the network, for one picture of `plan.size`.
        always: Measure even where there is plenty of memory.
        progress: Told while the cache is filled.

    Returns:
        How; None where both are set.

    Raises:
        LimnerError: As `fit`.
    """
    training = config.training
    if training.accumulate is not None and training.recompute is not None:
        return None
    free = free_bytes(plan.device)
    counted = summary.training_bytes(plan.batch, precision=plan.precision, averaged=plan.ema > 0)
    if not always and _PLENTY * counted < free:
        because = f"not measured: {_gigabytes(counted)} by count, of {_gigabytes(free)} that are free"
        return Shares(training.accumulate or 1, bool(training.recompute), because)
    phase = max(plan.course.phases, key=lambda one: one.batch * one.size[0] * one.size[1])
    allowed = int(_FREE * free)
    tries = [training.recompute] if training.recompute is not None else [False, True]

    def measure(recompute: bool) -> dict[int, int]:
        return measure_steps(config, data, replace(plan, recompute=recompute), phase, allowed, progress)

    batch_norm = plan.network.get("norm", "batch") == "batch"
    found = choose_shares(measure, phase.batch, allowed, tries, _NORMED if batch_norm else 1)
    return found if training.accumulate is None else replace(found, accumulate=training.accumulate)


def choose_shares(
    measure: Callable[[bool], dict[int, int]], batch: int, allowed: int, tries: Sequence[bool], enough: int
) -> Shares:
    """The first way of computing a batch that has enough samples at once, or else the one that has most.

    Args:
        measure: Whether activations are recomputed → bytes by samples at once, of what fits.
        batch: Samples per step.
        allowed: Bytes that may be taken.
        tries: Whether to recompute, in the order of preference.
        enough: Samples at once that are enough.
    """
    found: Shares | None = None
    for recompute in tries:
        taken = measure(recompute)
        largest = max(taken, default=1)
        steps = ", ".join(f"{_gigabytes(size)} with {rows}" for rows, size in taken.items()) or "not one sample fits"
        because = f"measured, a real step each: {steps}; {_gigabytes(allowed)} may be used"
        shares = Shares(-(-batch // largest), recompute, because, taken.get(largest, 0))
        if found is None or not found.peak or shares.accumulate < found.accumulate:
            found = shares
        if taken and largest >= min(enough, batch):
            break
    assert found is not None
    return found


def measure_steps(
    config: Config, data: Prepared, plan: Plan, phase: Phase, allowed: int, progress: Progress | None = None
) -> dict[int, int]:
    """Bytes that real steps take on top of what is there, by samples at once: 1, 2, 4 … up to a whole batch.

    It ends before a size that would not fit as far as the sizes before it tell, or where memory does run out.

    Args:
        config: Settings.
        data: Samples.
        plan: What was decided.
        phase: Size and batch.
        allowed: Bytes that may be taken.
        progress: Told while the cache is filled.
    """
    before, taken = bytes_in_use(plan.device), dict[int, int]()
    with trying(config, data, replace(plan, accumulate=1), phase=phase, progress=progress) as trial:
        keys = trial.batches.order.keys(0).ravel()
        for rows in _doubling(phase.batch):
            if _expected(taken, rows) > allowed:
                break
            _reset_peak(plan.device)
            try:
                trial.step(trial.batches.make(0, keys[:rows]))
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                break
            trial.wait()
            peak = max(_peak(plan.device) - before, 1)
            if trial.module.accumulate > 1 or peak > allowed:
                break
            taken[rows] = peak
    return taken


def _doubling(most: int) -> list[int]:
    sizes = [1]
    while sizes[-1] < most:
        sizes.append(min(2 * sizes[-1], most))
    return sizes


def _expected(taken: dict[int, int], rows: int) -> int:
    """Bytes that so many samples are likely to take: the last two sizes, continued in a line."""
    if len(taken) < 2:
        return 0
    (fewer, small), (more, large) = list(taken.items())[-2:]
    return large + (large - small) * (rows - more) // (more - fewer)


def free_bytes(device: str) -> int:
    """Bytes that this process may still take."""
    if device == "cuda":
        free, _ = torch.cuda.mem_get_info()
        return free + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    bounds = [memory() - _status("VmRSS", "self")]
    with contextlib.suppress(OSError, ValueError, IndexError):
        bounds.append(_status("MemAvailable", "meminfo"))
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if address_space != resource.RLIM_INFINITY:
        bounds.append(address_space - _status("VmSize", "self"))
    return max(0, min(bounds))


def _status(name: str, of: str) -> int:
    """A line of the kernel's tables, in bytes; 0 where there are none."""
    path = Path("/proc/meminfo" if of == "meminfo" else "/proc/self/status")
    if not path.is_file():
        return 0
    line = next(
        line for line in path.read_text(encoding="ascii", errors="replace").splitlines() if line.startswith(f"{name}:")
    )
    return int(line.split()[1]) * 1024


def bytes_in_use(device: str) -> int:
    """Bytes that this process has taken."""
    return torch.cuda.memory_allocated() if device == "cuda" else _status("VmRSS", "self") or _peak(device)


def _reset_peak(device: str) -> None:
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    else:
        with contextlib.suppress(OSError):  # elsewhere the peak is that of the process: sizes rise, so it will do
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak(device: str) -> int:
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return _status("VmHWM", "self") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.3g} GB"
