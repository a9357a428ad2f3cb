"""Networks: images in, `{target: logits}` out, at any picture size.

Layer: above `losses` and `metrics`, below `bundle`. A model takes plain keyword arguments and knows
nothing of configurations, files or training. Every model offers

    stride                  inputs whose sides are multiples of it need no inner padding
    forward(images)         {target: logits at the input's size}
    forward_levels(images)  {target: [finest logits, coarser logits, …]}, for deep supervision
"""

from __future__ import annotations

from limner.models.table import MODELS, create_model
from limner.models.unet import UNet

__all__ = ["MODELS", "UNet", "create_model"]
