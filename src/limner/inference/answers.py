"""From a network's numbers to probabilities and masks.

Layer: inference. Pure functions on tensors of one picture and one target.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float32, UInt8
from torch import Tensor

from limner.bundle import TargetSpec
from limner.metrics.thresholds import raise_odds


def activate(logits: Float32[Tensor, classes * pixels], spec: TargetSpec) -> Float32[Tensor, classes * pixels]:
    """Probabilities of logits; the numbers of a regression target are left as they are."""
    if spec.task == "regression":
        return logits
    return logits.softmax(dim=0) if spec.task == "multiclass" else logits.sigmoid()


def temper(probs: Float32[Tensor, classes * pixels], spec: TargetSpec) -> Float32[Tensor, classes * pixels]:
    """Probabilities as if the logits had been divided by the temperature."""
    if spec.temperature == 1:
        return probs
    if spec.task == "multiclass":
        return (probs.clamp_min(1e-30).log() / spec.temperature).softmax(dim=0)
    logits: Tensor = torch.special.logit(probs, eps=2**-24) / spec.temperature
    return logits.sigmoid()


def decide(probs: Float32[Tensor, "classes height width"], spec: TargetSpec) -> UInt8[Tensor, "height width *classes"]:
    """Masks of probabilities that were not tempered, so that the temperature alone changes no mask."""
    # Where they cut before tempering as they do after it; 0.5 stays 0.5 exactly.
    cuts = [raise_odds(threshold, spec.temperature) for threshold in spec.thresholds]
    if spec.task == "multiclass":
        if cuts:
            odds = [(1 - cut) / cut for cut in cuts]
            probs = probs * torch.tensor(odds, device=probs.device)[:, None, None]
        return probs.argmax(dim=0).to(torch.uint8)
    # A binary network has one plane, of class 1.
    own = cuts[1:] if spec.task == "binary" else cuts
    above = torch.tensor(own or [0.5] * len(probs), device=probs.device)[:, None, None]
    # Not "at least": at 0.5 exactly the background wins, as the first class does in argmax.
    planes = (probs > above).to(torch.uint8)
    return planes[0] if spec.task == "binary" else planes.permute(1, 2, 0).contiguous()


def planes_of(mask: UInt8[Tensor, "height width *classes"], spec: TargetSpec) -> Bool[Tensor, "classes height width"]:
    """Where each class is answered; of a binary mask one plane, of class 1."""
    if spec.task == "multilabel":
        return mask.permute(2, 0, 1) == 1
    if spec.task == "binary":
        return mask[None] == 1
    return mask[None] == torch.arange(len(spec.names), device=mask.device, dtype=torch.uint8)[:, None, None]
