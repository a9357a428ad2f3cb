"""The one file that prediction, evaluation, export and serving need.

Layer: above `models`. Reading a bundle's description imports no torch; its weights do, when asked for.

A bundle is a safetensors file: the weights, and everything else as JSON in the header under the key
`limner`. Nothing in it is ever executed. What this version does not know, it refuses.

    description  what stands in the header, as strict models; `read_meta`
    weights      `save_bundle`, `load_bundle`, `describe_anew`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from limner.bundle.description import (
    BUNDLE_NAME,
    FORMAT,
    BundleMeta,
    DataSpec,
    FamiliarSpec,
    InputSpec,
    ModelSpec,
    PlantedSpec,
    PostStep,
    TargetSpec,
    TilingSpec,
    ViewsSpec,
    bundle_digest,
    parse_meta,
    read_meta,
)

if TYPE_CHECKING:
    from limner.bundle.weights import Bundle, describe_anew, load_bundle, save_bundle

__all__ = [
    "BUNDLE_NAME",
    "FORMAT",
    "Bundle",
    "BundleMeta",
    "DataSpec",
    "FamiliarSpec",
    "InputSpec",
    "ModelSpec",
    "PlantedSpec",
    "PostStep",
    "TargetSpec",
    "TilingSpec",
    "ViewsSpec",
    "bundle_digest",
    "describe_anew",
    "load_bundle",
    "parse_meta",
    "read_meta",
    "save_bundle",
]


def __getattr__(name: str) -> Any:
    if name in {"Bundle", "describe_anew", "load_bundle", "save_bundle"}:
        from limner.bundle import weights

        return getattr(weights, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
