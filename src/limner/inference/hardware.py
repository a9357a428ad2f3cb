"""Which device computes, and in which arithmetic.

Layer: inference.
"""

from __future__ import annotations

from pathlib import Path

import torch

from limner.errors import ConfigError

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "bf16", "float32", "int8")


def best_device() -> str:
    """The fastest kind of device here: `cuda`, `mps` or `cpu`."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def choose_device(asked: str) -> torch.device:
    """The device for a name in `DEVICES`, or for a numbered one such as `cuda:1`.

    Raises:
        ConfigError: The name is unknown, or this machine has no such device.
    """
    if asked == "auto":
        return torch.device(best_device())
    kind, _, number = asked.partition(":")
    if kind not in DEVICES or (number and not number.isdigit()):
        raise ConfigError("device is auto, cpu, cuda, cuda:NUMBER or mps", f"device = '{asked}'", "Use device=auto.")
    count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[kind]
    if int(number or 0) >= count:
        raise ConfigError(f"this machine has the device '{asked}'", f"{count} of kind {kind}", "Use device=auto.")
    return torch.device(asked)


def choose_precision(asked: str, device: torch.device) -> str:
    """`bf16`, `float32` or `int8`; `auto` takes bf16 where the device computes it in hardware.

    Raises:
        ConfigError: The name is unknown.
    """
    if asked not in PRECISIONS:
        raise ConfigError(f"precision is one of {', '.join(PRECISIONS)}", f"'{asked}'", "Use precision=auto.")
    if asked == "auto":
        return "bf16" if has_fast_bf16(device.type) else "float32"
    return asked


def has_fast_bf16(device: str) -> bool:
    """Whether a kind of device computes bf16 in hardware, so that it is faster and not merely possible."""
    if device == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return device == "cpu" and _cpu_has_bf16()


def _cpu_has_bf16() -> bool:
    # torch tells it under a public name only in recent versions; Linux always does.
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return False
    flags = next((line for line in path.read_text().splitlines() if line.startswith("flags")), "").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags
