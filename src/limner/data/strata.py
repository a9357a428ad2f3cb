"""Kinds of samples, by which classes they hold and how much of them, so that every split gets its share.

Layer: data. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int64

from limner.data.labels import LabelMap
from limner.data.scan import Scanned

_SIZES = 3  # kinds of samples by how much they hold of their rarest class


def find_strata(scans: Sequence[Scanned], label_maps: Mapping[str, LabelMap]) -> list[int]:
    """The kind of each sample, by the first target with classes; all of one kind where there is none.

    Args:
        scans: What is known of the samples' masks.
        label_maps: Label map per target.
    """
    for name, label_map in label_maps.items():
        if label_map.task != "regression":
            first = 0 if label_map.task == "multilabel" else 1
            none = np.zeros(label_map.num_classes, np.int64)
            counts = [label_map.count(scan.tables[name]) if name in scan.tables else none for scan in scans]
            return strata_of(np.stack(counts)[:, first:])
    return [0] * len(scans)


def strata_of(counts: Int64[np.ndarray, "samples classes"]) -> list[int]:
    """Kinds by the rarest class that a sample holds, and by how much of it: little, medium, much.

    Args:
        counts: Pixels of each class, the background left out.

    Example:
        >>> strata_of(np.array([[5, 0], [9, 0], [90, 0], [5, 1], [0, 0]]))
        [2, 3, 4, 1, 0]
    """
    present = np.asarray(counts > 0)
    # Classes from the rarest to the most frequent; of equally frequent ones the lower number first.
    order = np.argsort(present.sum(axis=0), kind="stable")
    kinds = np.zeros(len(counts), np.int64)
    settled = np.array(~present.any(axis=1))
    number = 1
    for class_ in order.tolist():
        members = np.flatnonzero(present[:, class_] & ~settled)
        settled[members] = True
        ranked = members[np.argsort(counts[members, class_], kind="stable")]
        for part in np.array_split(ranked, _SIZES):
            if part.size:
                kinds[part] = number
                number += 1
    return [int(kind) for kind in kinds]
