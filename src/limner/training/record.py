"""What a run folder says about itself: data, machine, versions, times.

Layer: training. `data.json` with `samples.csv` is enough to go on training without looking at the
data set again; `run.json` tells a reader what happened.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from limner._version import __version__
from limner.data.catalog import Catalog
from limner.data.fingerprint import Fingerprint
from limner.data.labels import LabelMap
from limner.data.pairing import Pairing
from limner.data.prepare import Prepared
from limner.errors import DataError
from limner.files import write_text

_PACKAGES = ("torch", "lightning", "numpy", "pillow")


def write_data(run: Path, data: Prepared) -> None:
    """Save samples, label maps and fingerprint of a run."""
    data.catalog.save(run / "samples.csv")
    splits = data.catalog.split_counts()
    content = {
        "counts": {"samples": len(data.catalog), **splits, **({"dropped": len(data.dropped)} if data.dropped else {})},
        "layout": data.layout,
        "pairing": asdict(data.pairing) | {"pairs": len(data.pairing.pairs)},
        "notes": list(data.notes),
        "dropped": list(data.dropped),
        "label_maps": {name: label_map.to_dict() for name, label_map in data.label_maps.items()},
        "fingerprint": data.fingerprint.to_dict(),
    }
    write_text(run / "data.json", json.dumps(content, indent=2, ensure_ascii=False))


def read_data(run: Path) -> Prepared:
    """Samples, label maps and fingerprint as `write_data` saved them.

    Raises:
        DataError: The folder is not a run, or a file of it is damaged.
    """
    try:
        content = json.loads((run / "data.json").read_text(encoding="utf-8"))
        return Prepared(
            catalog=Catalog.load(run / "samples.csv"),
            label_maps={name: LabelMap.from_dict(values) for name, values in content["label_maps"].items()},
            fingerprint=Fingerprint.from_dict(content["fingerprint"]),
            pairing=Pairing(**(content["pairing"] | {"pairs": [], "tried": ()})),
            layout=content["layout"],
            notes=tuple(content["notes"]),
            dropped=tuple(content.get("dropped", ())),
        )
    except FileNotFoundError as error:
        raise DataError(
            f"a run folder at '{run}'", f"'{error.filename}' is missing", "Give the folder that limner train made."
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"a readable '{run / 'data.json'}'", str(error), "Train anew; the file is damaged.") from error


class RunRecord:
    """`run.json`: written when a training begins, and again at each turn of it.

    Args:
        run: Run folder.
        resume: Keep what is already there.
    """

    def __init__(self, run: Path, *, resume: bool = False) -> None:
        self._path = run / "run.json"
        self._values: dict[str, Any] = {"started": _now(), "seconds": {}}
        if resume and self._path.is_file():
            self._values |= json.loads(self._path.read_text(encoding="utf-8"))
        self._values |= {"limner": __version__, "versions": versions(), "machine": machine()}

    @property
    def status(self) -> str:
        """As it was set last; empty before."""
        return str(self._values.get("status", ""))

    def update(self, status: str, *, seconds: Mapping[str, float] | None = None, **values: Any) -> None:
        """Set the status (`training`, `interrupted`, `collapsed`, `failed`, `finished`) and other facts, and save."""
        self._values["seconds"] |= {name: round(value, 2) for name, value in (seconds or {}).items()}
        self._values |= {"status": status, "updated": _now(), **values}
        write_text(self._path, json.dumps(self._values, indent=2, ensure_ascii=False))


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}}


def machine() -> dict[str, Any]:
    """The machine, without its name."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpu": gpu,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
