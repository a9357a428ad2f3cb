"""One folder per picture, in which every object has a mask file of its own.

Layer: data.

    X/images/X.png  X/masks/1.png  X/masks/2.png …
"""

from __future__ import annotations

from dataclasses import dataclass, field

from limner.data.layouts.found import Found
from limner.data.layouts.halves import Half, found_from_pairing
from limner.data.layouts.listing import folder_of
from limner.data.naming import stem_of
from limner.data.pairing import Pairing


@dataclass
class Container:
    """A folder that holds a folder of images and one of masks."""

    images: list[str] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)


def containers(images: Half, masks: Half) -> dict[str, Container]:
    """Files by the folder that holds the folder named for their kind; deeper ones are left out."""
    grouped: dict[str, Container] = {}
    for name in images.names:
        if (path := _container(images, name)) is not None:
            grouped.setdefault(path, Container()).images.append(name)
    for name in masks.names:
        if (path := _container(masks, name)) is not None:
            grouped.setdefault(path, Container()).masks.append(name)
    return grouped


def has_instances(grouped: dict[str, Container], images: Half) -> bool:
    """Whether every container is one picture's own: one image, with several masks or unlike names."""
    if len(grouped) < 2 or any(len(container.images) != 1 for container in grouped.values()):
        return False
    if any(not images.folder(container.images[0]).short for container in grouped.values()):
        return False  # `train/` and `val/` with a picture each
    several = any(len(container.masks) > 1 for container in grouped.values())
    return several or not any(_alike(container) for container in grouped.values())


def found_in_containers(
    grouped: dict[str, Container], images: Half, masks: Half, *, presplit: bool | None, notes: list[str]
) -> Found:
    """A sample for each container: its image, and the union of its masks."""
    pairs, ambiguous = [], []
    for container in grouped.values():
        folder = folder_of(container.masks[0]) + "/" if container.masks else ""
        if folder and len(container.images) == 1:
            pairs.append((container.images[0], folder))
        elif folder:
            ambiguous += [(image, [folder]) for image in container.images]
    placed = {image for image, _ in (*pairs, *ambiguous)}
    pairing = Pairing(
        pairs=pairs,
        unmatched_images=[name for name in images.names if name not in placed],
        unmatched_masks=[name for container in grouped.values() if not container.images for name in container.masks],
        ambiguous=ambiguous,
        rule="an image's masks are all files of the folder of masks beside it",
    )
    count = sum(len(container.masks) for container in grouped.values())
    notes = [*notes, f"Each picture has a folder of masks ({count:,} files), which are taken together as one mask."]
    return found_from_pairing(pairing, images, masks, presplit=presplit, notes=notes, instances=True)


def _container(half: Half, name: str) -> str | None:
    folder = half.folder(name)
    parts = folder.path.split("/")
    return "/".join(parts[: folder.depth]) if folder.depth == len(parts) - 1 else None


def _alike(container: Container) -> bool:
    image = stem_of(container.images[0])
    return any(image in stem_of(mask) or stem_of(mask) in image for mask in container.masks)
