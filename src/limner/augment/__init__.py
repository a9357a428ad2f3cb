"""Random changes to training samples: one specification, drawn in numpy, applied in batches on the device.

Layer: above `data`, below `losses` and `models`. Nothing here knows a network or a configuration file.

    specification   what may happen, how strongly and how often (`Augmentation`)
    presets         four specifications with names
    draws           the numbers of one batch, keyed by seed, epoch and sample (`Draw`)
    geometry        flips, turns and warps: one resampling grid for images and targets
    intensity       blur, contrast, brightness, gamma and noise of images
"""

from limner.augment.draws import Draw
from limner.augment.presets import NO_AUGMENTATION, PRESETS, create_augmentation
from limner.augment.specification import Augmentation

__all__ = ["NO_AUGMENTATION", "PRESETS", "Augmentation", "Draw", "create_augmentation"]
