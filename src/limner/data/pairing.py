"""Which mask belongs to which picture, decided by their names alone.

Layer: data. Never by order: a missing file must not shift the pairs after it. One naming rule is
chosen for the whole data set, the one under which most files pair one to one; equal names win over
usual words such as `_mask`, and these over learned ones, where they do equally well. Names are
compared strictly first, then with case or leading zeros disregarded, but only where that pairs more
files and confuses no two; sub-folders are disregarded only where nothing pairs within them. What is
left over or ambiguous is reported, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from limner.data.affixes import IMAGE_WORDS, MASK_WORDS, NO_AFFIX, Affix, find_affixes, is_known
from limner.data.naming import FOLDERS_ASIDE, LOOSENESS, Fit, Rule, Side, best_fit
from limner.errors import shorten

Keys: TypeAlias = tuple[dict[str, str], dict[str, str]]
"""Image name → text to compare, and the same for masks; a name that is missing stands for itself."""

# A piece that nearly every name carries says nothing about the sample, so it may be cut off.
_CONSTANT = 0.9
# The same for images that share a folder with their masks.
_HALF = 0.4
# Two affixes of which one is learned need this many pairs; fewer could be a coincidence.
_SUPPORT = 3
# Rules that are told about.
_TRIED = 5


@dataclass(frozen=True)
class Pairing:
    """Which files belong together, and which could not be placed.

    Attributes:
        pairs: `(image, mask)` names, in the order of the images.
        unmatched_images: Images without a mask.
        unmatched_masks: Masks without an image.
        ambiguous: `(image, masks)` where an image has several masks, or shares its mask with another image.
        rule: The naming rule in words.
        tried: Rules that pair anything, in words, and how many files each pairs; most first.
    """

    pairs: list[tuple[str, str]]
    unmatched_images: list[str]
    unmatched_masks: list[str]
    ambiguous: list[tuple[str, list[str]]]
    rule: str
    tried: tuple[tuple[str, int], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every file has found its partner."""
        return not (self.unmatched_images or self.unmatched_masks or self.ambiguous)

    def summary(self, most: int = 10) -> str:
        """The pairing in words, with at most `most` names of each kind of leftover.

        Example:
            >>> print(match_pairs(["1.jpg", "2.jpg"], ["1_mask.png"]).summary())
            1 pair: mask name = image name + '_mask'.
            1 image without a mask:
              2.jpg
        """
        lines = [f"{_count(len(self.pairs), 'pair', 'pairs')}: {self.rule}."]
        claims = [f"{image} ↔ {', '.join(masks)}" for image, masks in self.ambiguous]
        for names, one, many in (
            (self.unmatched_images, "image without a mask", "images without a mask"),
            (self.unmatched_masks, "mask without an image", "masks without an image"),
            (claims, "image with an ambiguous mask", "images with ambiguous masks"),
        ):
            if names:
                lines.append(f"{_count(len(names), one, many)}:")
                lines += [f"  {name}" for name in shorten(names, most)]
        return "\n".join(lines)


def match_pairs(images: Sequence[str], masks: Sequence[str], *, keys: Keys | None = None) -> Pairing:
    """Pair images with masks by name.

    The order of the names plays no part, except that the result lists pairs in the order of `images`.

    Args:
        images: Names with `/` between folders, relative to the folder of images.
        masks: Names relative to the folder of masks; sub-folders run in step with those of the images.
        keys: Text to compare in place of names, such as paths without the folder that tells images
            from masks.

    Example:
        >>> match_pairs(["1.jpg", "11.jpg"], ["11_mask.png", "1_mask.png"]).pairs
        [('1.jpg', '1_mask.png'), ('11.jpg', '11_mask.png')]
    """
    image_keys, mask_keys = keys or ({}, {})
    left, right = Side(images, image_keys), Side(masks, mask_keys)
    image_affixes, mask_affixes = find_affixes(left.stems, IMAGE_WORDS), find_affixes(right.stems, MASK_WORDS)
    most = min(len(images), len(masks))
    one_sided = [Rule(NO_AFFIX, mask) for mask in (NO_AFFIX, *mask_affixes)]
    one_sided += [Rule(image, NO_AFFIX) for image in image_affixes]
    two_sided = _two_sided(image_affixes, mask_affixes, share=_CONSTANT)
    fit = _best(left, right, [one_sided, two_sided], most)
    if fit.score < most:
        # `cat.jpg` with `cat.jpg.png` and `dog.png` with `dog.png.png`: no affix is common to both.
        whole = Side(images, {name: f"{image_keys.get(name, name)}." for name in images})
        named = best_fit(whole, right, [Rule(NO_AFFIX, NO_AFFIX, words="mask name = image name with its ending")], most)
        if named.score > fit.score:
            left, fit = whole, named
    return _settle(images, masks, fit, fit.candidates(left, right))


def match_within(names: Sequence[str]) -> Pairing:
    """Pair the files of one folder that holds images and masks together, told apart by their names.

    A file is a mask if it carries the rule's mask affix, and an image otherwise. A rule for the
    image's name is accepted only beside a usual word for the mask's: a folder of `cat_1` and `dog_1`
    holds no masks.

    Example:
        >>> match_within(["b.png", "a_mask.png", "a.png", "b_mask.png"]).pairs
        [('b.png', 'b_mask.png'), ('a.png', 'a_mask.png')]
    """
    side = Side(names, {})
    mask_affixes = find_affixes(side.stems, MASK_WORDS)
    rules = [Rule(NO_AFFIX, mask, support=1 if mask.known else _SUPPORT) for mask in mask_affixes]
    usual = [mask for mask in mask_affixes if mask.known]
    image_affixes = [
        affix for affix in find_affixes(side.stems, IMAGE_WORDS) if not is_known(affix.around(""), MASK_WORDS)
    ]
    rules += _two_sided(image_affixes, usual, share=_HALF)
    fit = _best(side, side, [rules], len(names) // 2)
    carriers = {name for rule in fit.rules for name, _, _ in side.carriers(rule.mask)}
    images = [name for name in names if name not in carriers]
    # A mask may be named like another mask's image (`a_mask` beside `a_mask_mask`); it stays a mask.
    candidates = (pair for pair in fit.candidates(side, side) if pair[0] not in carriers)
    return _settle(images, [name for name in names if name in carriers], fit, candidates)


def _best(images: Side, masks: Side, groups: Sequence[Sequence[Rule]], most: int) -> Fit:
    """The best rule of the first group, of a later one where it pairs more; sub-folders aside if need be."""
    fit = Fit()
    for looseness in (LOOSENESS, FOLDERS_ASIDE):
        for rules in groups:
            if fit.score < most:
                fit = max(fit, best_fit(images, masks, rules, most, looseness), key=_score)
        if fit.score:
            break
    return fit


def _two_sided(images: Sequence[Affix], masks: Sequence[Affix], share: float) -> list[Rule]:
    """Rules with an affix on both sides; a learned one must be on at least `share` of the names."""
    return [
        Rule(image, mask, support=1 if image.known and mask.known else _SUPPORT)
        for image in images
        for mask in masks
        if all(affix.known or affix.share >= share for affix in (image, mask))
    ]


def _settle(images: Sequence[str], masks: Sequence[str], fit: Fit, candidates: Iterable[tuple[str, str]]) -> Pairing:
    """Keep the candidates that exclude no other; report the rest."""
    masks_of: dict[str, set[str]] = {}
    images_of: dict[str, set[str]] = {}
    for image, mask in candidates:
        masks_of.setdefault(image, set()).add(mask)
        images_of.setdefault(mask, set()).add(image)
    pairs, ambiguous = [], []
    for image in images:
        found = sorted(masks_of.get(image, ()))
        if len(found) == 1 and len(images_of[found[0]]) == 1:
            pairs.append((image, found[0]))
        elif found:
            ambiguous.append((image, found))
    return Pairing(
        pairs=pairs,
        unmatched_images=[name for name in images if name not in masks_of],
        unmatched_masks=[name for name in masks if name not in images_of],
        ambiguous=ambiguous,
        rule=str(fit),
        tried=fit.tried[:_TRIED],
    )


def _score(fit: Fit) -> int:
    return fit.score


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
