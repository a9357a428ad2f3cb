"""Networks: images in, `{target: logits}` out, at any picture size.

Layer: above `losses` and `metrics`, below `bundle`. A model takes plain keyword arguments and knows
nothing of configurations, files or training. Every model offers

    stride                  inputs whose sides are multiples of it need no inner padding
    forward(images)         {target: logits at the input's size}
    forward_levels(images)  {target: [finest logits, coarser logits, …]}, for deep supervision
"""

from __future__ import annotations

from limner.models.encoder_unet import EncoderUNet
from limner.models.encoder_weights import load_encoder_weights
from limner.models.encoders import find_encoder, near_encoders
from limner.models.ensemble import Ensemble, members
from limner.models.heads import set_first_logits
from limner.models.improved_unet import ImprovedUNet
from limner.models.summary import Summary, summarize
from limner.models.table import MODELS, create_model, model_settings
from limner.models.unet import UNet

__all__ = [
    "MODELS",
    "EncoderUNet",
    "Ensemble",
    "ImprovedUNet",
    "Summary",
    "UNet",
    "create_model",
    "find_encoder",
    "load_encoder_weights",
    "members",
    "model_settings",
    "near_encoders",
    "set_first_logits",
    "summarize",
]
