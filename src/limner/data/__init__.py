"""From a folder of pictures and masks to samples that can be trained on.

Layer: above `images`. Imports no torch.

    layouts ── pairing ──→ catalog ──→ checks ──→ label map ──→ splits ──→ cache
"""
