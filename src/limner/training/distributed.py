"""Several processes that train one network: who is who, what they tell each other, and what each adds to a sum.

Layer: training. Processes are started by torchrun or SLURM's srun, one for each GPU, and find each other by the
environment that these leave. The first one (rank 0) is Limner as ever: it prepares, plans, writes, validates and
reports. The others do what it tells them (see `limner.workflow.together`), and train with it.

What goes over the network in a step: the gradients, by Lightning's DDP; the sums of the losses, a few numbers; where
batch norms share their statistics, two vectors for each of them; and what a clock or a signal says, four numbers.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Int64
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, distributed

from limner.errors import ConfigError, LimnerError, ResourceError

T = TypeVar("T")

_ANSWER = timedelta(minutes=30)
"""How long a process waits for the others within a step."""
_WAIT = timedelta(days=1)
"""How long it waits while the first one prepares, validates or evaluates."""


class Dismissed(Exception):  # noqa: N818 - no error of this process
    """The first process has failed, and said so."""


@dataclass(frozen=True)
class Seat:
    """Where a process sits, as its environment says.

    Attributes:
        rank: Its number among all, from 0.
        count: Number of all processes.
        local_rank: Its number on its machine, from 0.
        local_count: Processes on its machine.
        launcher: What started it: `torchrun` or `srun`; empty where it was started alone.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1
    launcher: str = ""

    @property
    def machines(self) -> int:
        """Number of machines."""
        return max(1, self.count // self.local_count)


def find_seat() -> Seat:
    """Where this process sits.

    Raises:
        ConfigError: Machines with different numbers of processes.
    """
    environment = os.environ
    if "TORCHELASTIC_RUN_ID" in environment:
        rank, count, local, local_count = (
            int(environment[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        )
        seat = Seat(rank, count, local, local_count, "torchrun")
    elif int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        # Of the step, not of the job: a script that was submitted for four tasks and calls no srun is one process.
        count, nodes = int(environment["SLURM_STEP_NUM_TASKS"]), int(environment.get("SLURM_STEP_NUM_NODES", "1"))
        rank, local = int(environment["SLURM_PROCID"]), int(environment["SLURM_LOCALID"])
        seat = Seat(rank, count, local, max(1, count // nodes), "srun")
    else:
        return Seat()
    if seat.local_count * seat.machines != seat.count:
        raise ConfigError(
            "as many processes on every machine",
            f"{seat.count} processes, {seat.local_count} of them on this machine",
            "Give torchrun the same --nproc-per-node everywhere, or srun --ntasks-per-node.",
        )
    return seat


class Ranks:
    """The processes that train together, seen from this one; alone unless `join` was called.

    Args:
        seat: Where this process sits.
        control: Their group for what is not a tensor of the training; on CPUs, so that no GPU waits for it.
        waiting: The same with more patience.
    """

    def __init__(self, seat: Seat | None = None, control: Any = None, waiting: Any = None) -> None:
        self.seat = seat or Seat()
        self._control = control
        self._waiting = waiting
        self._apart = False
        self._lost = False

    @property
    def count(self) -> int:
        """Number of processes."""
        return self.seat.count

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.seat.rank == 0

    @property
    def shared(self) -> bool:
        """Whether sums are shared now."""
        return self.count > 1 and not self._apart

    def total(self, value: Tensor) -> Tensor:
        """A sum over samples of this process, added to those of all others.

        Everything that is computed from it must be the same in all processes, as a loss is: then so is its gradient,
        which has not to be sent. DDP takes the mean of the gradients of all processes; so each has its own part times
        their number.
        """
        return _total(value, self.count) if self.shared else value

    def total_statistics(self, value: Tensor) -> Tensor:
        """As `total`, of what each process goes on with by itself; the gradients are added up, too."""
        return _total(value, 0) if self.shared else value

    def part(self, keys: Int64[np.ndarray, " batch"]) -> Int64[np.ndarray, " part"]:
        """What of a batch belongs to this process."""
        return np.array_split(keys, self.count)[self.seat.rank]

    def most(self, *values: float) -> list[float]:
        """Of each value the largest that a process has."""
        if self.count == 1:
            return list(values)
        shared = torch.tensor(values, dtype=torch.float64)
        with answering():
            distributed.all_reduce(shared, distributed.ReduceOp.MAX, group=self._control)
        return [float(value) for value in shared]

    def of_first(self, make: Callable[[], T]) -> T:
        """What the first process makes of `make`, which only it calls; the others wait for it.

        Raises:
            Dismissed: In the others, where the first one failed.
        """
        if self.count == 1:
            return make()
        found: list[Any] = [None, None]
        if self.first:
            try:
                found = ["made", make()]
            except BaseException:
                with contextlib.suppress(Exception):  # those that have ended hear nothing any more
                    self._send(["failed", None])
                raise
        self._send(found)
        if found[0] != "made":
            raise Dismissed
        result: T = found[1]
        return result

    def dismiss(self) -> None:
        """Tell the others, if they wait in `of_first`, that this first process has failed."""
        if self.count > 1 and self.first and not self._lost:
            with contextlib.suppress(Exception):
                self._send(["failed", None])

    def lose(self) -> None:
        """Talk to the others no more: this process failed while they are in the middle of something."""
        self._lost = True

    def leave(self) -> None:
        """Close the connections, at the end of the program."""
        if not self._lost and distributed.is_initialized():
            distributed.destroy_process_group()

    def gather(self, value: T) -> list[T]:
        """The values of all processes, by rank."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        with answering():
            distributed.all_gather_object(values, value, group=self._waiting)
        return values

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """Share no sums meanwhile: this process computes something by itself."""
        before, self._apart = self._apart, True
        try:
            yield
        finally:
            self._apart = before

    def trainer_arguments(self, *, unused: bool) -> dict[str, Any]:
        """Arguments of Lightning's trainer that say where it runs.

        Args:
            unused: Whether some weights do not learn in some phase.
        """
        if self.count == 1:
            # Named, lest Lightning take the environment of a batch job for one of several processes.
            return {"devices": 1, "plugins": [LightningEnvironment()]}
        environment: ClusterEnvironment = (
            SLURMEnvironment(auto_requeue=False) if self.seat.launcher == "srun" else TorchElasticEnvironment()
        )
        return {
            "devices": self.seat.local_count,
            "num_nodes": self.seat.machines,
            # Statistics of norms are shared already, or those of the first process count.
            "strategy": DDPStrategy(broadcast_buffers=False, find_unused_parameters=unused, timeout=_ANSWER),
            "plugins": [environment],
            "use_distributed_sampler": False,
        }

    def _send(self, values: list[Any]) -> None:
        with answering():
            distributed.broadcast_object_list(values, 0, group=self._waiting)


_ranks = Ranks()


def ranks() -> Ranks:
    """The processes that train together; this one alone unless `join` found others."""
    return _ranks


def join() -> Ranks:
    """Find the other processes, if the environment says that there are some; once for each process.

    Raises:
        ConfigError: The environment contradicts itself.
        ResourceError: The others do not answer.
    """
    global _ranks
    seat = find_seat()
    if seat.count == 1 or _ranks.count > 1:
        return _ranks
    environment: ClusterEnvironment
    try:
        environment = SLURMEnvironment(auto_requeue=False) if seat.launcher == "srun" else TorchElasticEnvironment()
    except RuntimeError as error:
        raise ConfigError("processes that srun started", str(error), "Give sbatch --ntasks-per-node.") from error
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = environment.main_address, str(environment.main_port)
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus > seat.local_rank:
        torch.cuda.set_device(seat.local_rank)
    both = gpus > seat.local_rank and distributed.is_nccl_available()
    with answering("the other processes"):
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if both else "gloo", rank=seat.rank, world_size=seat.count, timeout=_ANSWER
        )
        control = distributed.new_group(backend="gloo", timeout=_ANSWER)
        waiting = distributed.new_group(backend="gloo", timeout=_WAIT)
    _ranks = Ranks(seat, control, waiting)
    atexit.register(_ranks.leave)
    return _ranks


@contextlib.contextmanager
def answering(who: str = "another process") -> Iterator[None]:
    """Turn what torch.distributed raises where a process no longer answers into an error a user can act on.

    Raises:
        ResourceError: A process has ended, or its machine is gone.
    """
    try:
        yield
    except LimnerError:
        raise
    except RuntimeError as error:
        if not _is_lost(error):
            raise
        _ranks.lose()
        raise ResourceError(
            f"an answer of {who} that trains with this one",
            f"none: it has ended, or its machine is out of reach ({_words(error)})",
            "See what its output says. The last checkpoint is whole: go on with limner train --resume RUN, started "
            "as before or in another number of processes.",
        ) from error


def _words(error: RuntimeError) -> str:
    """The first sentence, without the place in PyTorch's own source."""
    text = str(error).strip().splitlines()[0]
    return text.rpartition(".cc:")[2].partition("] ")[2].partition(". ")[0] or text[:200]


def _is_lost(error: RuntimeError) -> bool:
    text = str(error).lower()
    return isinstance(error, distributed.DistError) or any(
        word in text for word in ("gloo", "nccl", "connection closed by peer", "connection reset", "process group")
    )


def _total(value: Tensor, times: int) -> Tensor:
    result: Tensor = _Total.apply(value, times)
    return result


class _Total(torch.autograd.Function):
    """Sum over all processes; backward the gradient times `times`, or added up as well where that is 0."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, times: int) -> Tensor:
        ctx.times = times
        value = value.detach().contiguous().clone()
        distributed.all_reduce(value)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        if ctx.times:
            return gradient * ctx.times, None
        gradient = gradient.contiguous().clone()
        distributed.all_reduce(gradient)
        return gradient, None
