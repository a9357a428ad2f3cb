"""Small networks and descriptions of them; helpers are fixtures because test folders are no packages."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from limner.bundle import BundleMeta, DataSpec, InputSpec, ModelSpec, TargetSpec, TilingSpec
from limner.models import create_model


class Toy(nn.Module):
    """A 3×3 convolution: what it says of a pixel depends on the pixel's neighbours and nothing else."""

    stride = 4

    def __init__(self, in_channels: int, **targets: int) -> None:
        super().__init__()
        self.convs = nn.ModuleDict(
            {name: nn.Conv2d(in_channels, count, 3, padding=1) for name, count in targets.items()}
        )
        self.batch_sizes: list[int] = []
        self.sizes: list[tuple[int, int]] = []

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        self.batch_sizes.append(images.shape[0])
        self.sizes.append((images.shape[2], images.shape[3]))
        return {name: conv(images) for name, conv in self.convs.items()}


TARGETS = {
    "binary": TargetSpec(task="binary", names=["background", "cell"], colors=[(0, 0, 0), (250, 40, 10)]),
    "multiclass": TargetSpec(
        task="multiclass", names=["ground", "tree", "car"], colors=[(0, 0, 0), (0, 200, 0), (0, 0, 200)]
    ),
    "multilabel": TargetSpec(task="multilabel", names=["nucleus", "wall"], colors=[(200, 0, 0), (0, 0, 200)]),
    "regression": TargetSpec(task="regression", names=["depth"], colors=[(0, 0, 0)]),
}


@pytest.fixture
def make_meta() -> Callable[..., BundleMeta]:
    """Describes a network; by default binary, colour, 8 bits, at the pictures' own scale."""

    def make(
        targets: dict[str, TargetSpec] | None = None, *, tile: int = 512, overlap: float = 0.5, **inputs: Any
    ) -> BundleMeta:
        channels = inputs.get("channels", 3)
        values: dict[str, Any] = {
            "channels": channels,
            "dtype": "uint8",
            "low": 0.0,
            "high": 255.0,
            "mean": [0.5] * channels,
            "std": [0.25] * channels,
            "fit": "native",
        }
        targets = targets or {"mask": TARGETS["binary"]}
        outputs = {name: 1 if spec.task == "binary" else len(spec.names) for name, spec in targets.items()}
        return BundleMeta(
            model=ModelSpec(
                name="unet", kwargs={"in_channels": channels, "out_channels": outputs, "conv_sizes": [4, 8]}
            ),
            inputs=InputSpec(**(values | inputs)),
            targets=targets,
            tiling=TilingSpec(size=tile, overlap=overlap),
            data=DataSpec(hash="0", count=1),
        )

    return make


@pytest.fixture
def targets() -> dict[str, TargetSpec]:
    """One target of each task."""
    return dict(TARGETS)


@pytest.fixture
def make_toy() -> Callable[..., Toy]:
    """Makes a `Toy` with the same weights every time."""

    def make(in_channels: int = 3, **targets: int) -> Toy:
        torch.manual_seed(3)
        return Toy(in_channels, **(targets or {"mask": 1}))

    return make


@pytest.fixture
def make_unet() -> Callable[[BundleMeta], nn.Module]:
    """Makes the described U-Net with the same weights every time, its batch norms having seen some images."""

    def make(meta: BundleMeta) -> nn.Module:
        torch.manual_seed(5)
        model = create_model(meta.model.name, **meta.model.kwargs)
        for _ in range(3):
            model(torch.randn(2, meta.inputs.channels, 16, 16))
        return model.eval()

    return make
