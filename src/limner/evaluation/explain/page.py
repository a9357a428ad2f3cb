"""An explanation as one offline page: causes, the ladder, and what the network sees.

Layer: part of `evaluation`. The page loads nothing and runs no script.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Shaped, UInt8

from limner._version import __version__
from limner.bundle import BundleMeta
from limner.data.labels import LabelMap
from limner.evaluation import wording
from limner.evaluation.charts import value_chart
from limner.evaluation.embed import Embedded
from limner.evaluation.explain.ladder import Explanation
from limner.evaluation.explain.looking import Truth, first_class, foreground
from limner.evaluation.gallery import hex_color, within
from limner.evaluation.layers import (
    PREDICTION,
    TRUTH,
    UNCERTAINTY_MAP,
    error_layer,
    outline_layer,
    uncertainty_layer,
)
from limner.evaluation.templating import environment
from limner.files import write_bytes
from limner.images import encode_webp, resize_image, resize_mask
from limner.inference.drawing import show_inputs
from limner.render.numbers import color_table

_SIDE = 512
_SMALL = 240
_MOST_ENLARGED = 4.0
_QUALITY = 85
_BINS = 64


@dataclass(frozen=True)
class Panel:
    """A picture with its name."""

    name: str
    picture: Embedded


@dataclass(frozen=True)
class PageLayer:
    """A layer over the picture, as the viewer's template wants it."""

    kind: str
    name: str
    picture: Embedded
    shown: bool
    line: dict[str, str | None] | None


@dataclass(frozen=True)
class PageView:
    """The picture and its layers."""

    picture: Embedded
    layers: list[PageLayer]


def write_explain_page(out: str | Path, found: Explanation, meta: BundleMeta, truth: Truth) -> Path:
    """Write the page.

    Args:
        out: HTML file to write.
        found: What it shows.
        meta: Description of the model.
        truth: True masks by target, at the picture's own size.

    Raises:
        OutputError: It cannot be written.
    """
    view = _view(found, meta, truth)
    page = (
        environment(plural=wording.plural, words=wording.words)
        .get_template("explain.html.j2")
        .render(
            found=found,
            version=__version__,
            trials=sorted(found.trials, key=lambda trial: -trial.benefit),
            view=view,
            most_layers=len(view.layers) if view else 0,
            seen=list(_seen(found, meta)),
            charts=list(_charts(found, meta)),
            neighbours=[
                Panel(f"{one.id}, {one.distance:.1f}", _embedded(_shown(one.given.picture, meta), _SMALL))
                for one in found.neighbours
            ],
        )
    )
    # File names may hold bytes that are not UTF-8; they must not keep the page from being written.
    write_bytes(out, page.encode("utf-8", errors="replace"))
    return Path(out)


def _view(found: Explanation, meta: BundleMeta, truth: Truth) -> PageView | None:
    """The picture with outlines; None without a mask."""
    if found.original is None or found.prediction is None:
        return None
    layers: list[PageLayer] = []
    for name, mask in found.prediction.masks.items():
        label_map = LabelMap.from_dict(meta.targets[name].label_map)
        size = within((mask.shape[0], mask.shape[1]), _SIDE, _MOST_ENLARGED)
        said, single = resize_mask(mask, size), label_map.task == "binary"
        colors = [PREDICTION] * label_map.num_classes if single else label_map.colors
        drawn = outline_layer(said, colors, dashed=True)
        layers.append(
            PageLayer(
                "prediction",
                f"prediction of {name}",
                _layer(drawn),
                True,
                {"style": "dashed", "color": hex_color(PREDICTION) if single else None},
            )
        )
        unsure = resize_image(found.prediction.uncertainty[name][..., None], size)[..., 0]
        layers.append(
            PageLayer("uncertainty", f"uncertainty of {name}", _layer(uncertainty_layer(unsure)), False, None)
        )
        if name in truth:
            true = resize_mask(truth[name], size)
            colors = [TRUTH] * label_map.num_classes if single else label_map.colors
            drawn = outline_layer(true, colors)
            layers.append(
                PageLayer(
                    "truth",
                    f"truth of {name}",
                    _layer(drawn),
                    True,
                    {"style": "solid", "color": hex_color(TRUTH) if single else None},
                )
            )
            layers.append(PageLayer("errors", f"errors of {name}", _layer(error_layer(true, said)), False, None))
    if not layers:
        return None
    return PageView(_embedded(_shown(found.original, meta), _SIDE), layers)


def _seen(found: Explanation, meta: BundleMeta) -> Iterator[Panel]:
    """The picture as the network sees it, and the probabilities of every class."""
    if found.pixels is None or found.prediction is None:
        return
    inputs = meta.inputs
    unit = (found.pixels.astype(np.float32) - inputs.low) / (inputs.high - inputs.low)
    # In the range of the training, not stretched to its own as for people.
    seen = _shown((unit.clip(0, 1) * 255).round().astype(np.uint8), meta)
    yield Panel(f"as the network sees it, {seen.shape[0]}×{seen.shape[1]}", _embedded(seen, _SMALL))
    for name, spec in meta.targets.items():
        if spec.task == "regression":
            continue
        for index, probs in enumerate(foreground(found.prediction, name, spec)):
            colored = color_table(UNCERTAINTY_MAP)[(probs.clip(0, 1) * 255).round().astype(np.uint8)]
            label = spec.names[index + first_class(spec)]
            yield Panel(f"probability of {label}, up to {float(probs.max()):.2f}", _embedded(colored, _SMALL))


def _charts(found: Explanation, meta: BundleMeta) -> Iterator[str]:
    """How the values of every channel lie beside those of the training pictures."""
    if found.pixels is None:
        return
    inputs = meta.inputs
    unit = (found.pixels.reshape(-1, inputs.channels).astype(np.float64) - inputs.low) / (inputs.high - inputs.low)
    edges = np.linspace(-0.25, 1.25, _BINS + 1)
    for channel in range(min(inputs.channels, 4)):
        counts, _ = np.histogram(unit[:, channel].clip(-0.25, 1.25), edges)
        mean, std = inputs.mean[channel], inputs.std[channel]
        yield value_chart(
            edges.tolist(),
            (counts / len(unit)).tolist(),
            usual=(mean - 2 * std, mean + 2 * std),
            title=f"Values of channel {channel + 1}",
            axis=f"channel {channel + 1}, 0 is {inputs.low:g} and 1 is {inputs.high:g}",
        )


def _shown(picture: Shaped[np.ndarray, "height width channels"], meta: BundleMeta) -> UInt8[np.ndarray, "_ _ 3"]:
    return show_inputs(picture, meta.inputs.parts).main


def _embedded(picture: UInt8[np.ndarray, "height width 3"], side: int) -> Embedded:
    height, width = picture.shape[:2]
    small = np.asarray(resize_image(picture, within((height, width), side)), np.uint8)
    data = base64.b64encode(encode_webp(small, _QUALITY)).decode()
    return Embedded(f"data:image/webp;base64,{data}", small.shape[0], small.shape[1])


def _layer(picture: UInt8[np.ndarray, "height width 4"]) -> Embedded:
    data = base64.b64encode(encode_webp(picture, None)).decode()
    return Embedded(f"data:image/webp;base64,{data}", picture.shape[0], picture.shape[1])
