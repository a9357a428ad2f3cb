"""Composed data: cut-outs placed on backgrounds, with masks and depths.

Layer: data. Sets `bg`, `fg_bg`, `fg_bg_mask` and, if there are depths, `fg_bg_depth`; each a folder or
zip archives. A composite, its mask and its depth share a name. Which background a composite lies on is
never taken on trust: every rule is checked against the pictures (`composite_check`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from limner.data.catalog import Catalog
from limner.data.class_colors import class_colors
from limner.data.labels import LabelMap
from limner.data.layouts.composite_check import Agreement, ContentCheck
from limner.data.layouts.composite_options import (
    check_composite_options,
    compile_foreground,
    name_foregrounds,
    read_background_table,
)
from limner.data.layouts.composite_orders import COMPOSED, Rule, name_rules, order_rule, order_rules, table_rule
from limner.data.layouts.composite_sets import (
    BACKGROUNDS,
    COMPOSITES,
    DEPTHS,
    FOREGROUNDS,
    MASKS,
    PictureSet,
    find_sets,
    match_names,
)
from limner.data.layouts.found import Found
from limner.data.layouts.listing import Listing
from limner.data.layouts.options import Options
from limner.data.pairing import Pairing
from limner.errors import DataError, shorten
from limner.images import read_info, without_suffix
from limner.types import Progress

EXPECTED = "folders or zip archives bg, fg_bg and fg_bg_mask, and fg_bg_depth where there are depths"

_RULES = ("background", "ratio", "order", "csv")
_SCALES = {"uint8": 1 / 255, "uint16": 1 / 65535}


def read_composites(listing: Listing, options: Options, progress: Progress) -> Found | None:
    """Composites with backgrounds as inputs, masks and depths as targets; None where sets are missing.

    Raises:
        DataError: No rule, or not the given one, agrees with the pictures; counts that do not divide.
        ConfigError: Options that are unknown or contradict one another.
    """
    found = find_sets(listing)
    if found is None:
        return None
    check_composite_options(options)
    sets, notes = found
    return _Reader(sets, notes, options, listing).read()


class _Reader:
    """One reading of a place.

    Args:
        sets: Its sets.
        notes: Takes what the user may not expect.
        options: `data.layout_options`.
        listing: The place.
    """

    def __init__(self, sets: dict[str, PictureSet], notes: list[str], options: Options, listing: Listing) -> None:
        self._backgrounds, self._composites = sets[BACKGROUNDS], sets[COMPOSITES]
        self._masks, self._depths = sets[MASKS], sets.get(DEPTHS)
        self._cutouts = len(sets[FOREGROUNDS]) if FOREGROUNDS in sets else 0
        self._notes = notes
        self._options = options
        self._listing = listing
        self._partners, self._spare = match_names(self._composites, self._masks)
        self._check = ContentCheck(self._backgrounds, self._composites, self._masks, self._partners)

    def read(self) -> Found:
        if not self._check.size:
            raise DataError(
                "masks that carry the names of their composites",
                f"none of {len(self._composites):,} composites has one; the first is "
                f"'{self._composites.shown(0)}', the first mask '{self._masks.shown(0)}'",
                "Rename the masks like their composites.",
            )
        rule, agreement = self._background_rule()
        self._notes.append(
            f"Backgrounds: {rule.text}; checked by content, outside the mask {agreement} sampled composites "
            f"equal their background (mean difference {agreement.difference:.1f} of 255)."
        )
        kept = np.flatnonzero(self._partners >= 0)
        catalog = self._catalog(rule, kept)
        apart = self._group(catalog, rule, kept)
        return Found(
            catalog, self._pairing(kept, catalog.ids), "composites", tuple(self._notes), self._label_maps(), apart
        )

    def _background_rule(self) -> tuple[Rule, Agreement]:
        """The rule that was asked for, or the first and best one that the pictures bear out."""
        given = self._given()
        if given is not None:
            agreement = self._check.agreement(given)
            if agreement.holds:
                return given, agreement
        rules = self._candidates()
        tried = [(rule, self._check.agreement(rule)) for rule in rules]
        best = max(tried, key=lambda pair: (pair[1].share, -pair[1].difference), default=None)
        if given is not None:
            raise self._misfit(given, agreement, best)
        if best is None:
            raise self._do_not_divide()
        if not best[1].holds:
            raise self._no_rule(tried)
        return best

    def _given(self) -> Rule | None:
        """The rule that the options name; None if they leave it open."""
        way = self._options.get("background", "auto")
        if "csv" in self._options:
            return self._table(str(self._options["csv"]))
        if way == "name":
            rules = list(name_rules(self._backgrounds, self._composites))
            if not rules:
                raise DataError(
                    "composites whose names hold the names of their backgrounds",
                    f"'{self._composites.shown(0)}' beside '{self._backgrounds.shown(0)}'",
                    self._remedy("csv: FILE") + " The table has columns composite and background.",
                )
            return max(rules, key=lambda rule: self._check.agreement(rule).share)
        if not {"order", "ratio"} & self._options.keys():
            return None
        order, ratio = self._options.get("order", "natural"), self._options.get("ratio")
        rule = order_rule(order, self._backgrounds, self._composites, ratio)
        if rule is None:
            raise self._do_not_divide()
        return rule

    def _candidates(self) -> list[Rule]:
        way = self._options.get("background", "auto")
        rules = [] if way == "index" else list(name_rules(self._backgrounds, self._composites))
        return rules + list(order_rules(self._backgrounds, self._composites))

    def _table(self, path: str) -> Rule:
        pairs = read_background_table(path, self._listing)
        rule, missing = table_rule(pairs, self._backgrounds, self._composites, path)
        if missing:
            raise DataError(
                f"a background for every composite in '{path}'",
                f"none for {len(missing):,} of {len(self._composites):,}",
                "Complete the table; names may stand without folders and endings.",
                details=shorten(missing),
            )
        return rule

    def _remedy(self, options: str) -> str:
        """The line that sets these options and keeps the others."""
        kept = [f"{key}: {value}" for key, value in self._options.items() if key not in _RULES]
        return f"Type 'data.layout_options={{{', '.join([options, *kept])}}}'."

    def _misfit(self, given: Rule, agreement: Agreement, best: tuple[Rule, Agreement] | None) -> DataError:
        if best is not None and best[1].holds:
            remedy = f"{self._remedy(best[0].options)} With it {best[1]} fit: {best[0].text}."
        else:
            remedy = f"{self._remedy('csv: FILE')} Its columns are composite and background."
        return DataError(
            "composites that equal their background outside the mask",
            f"with {given.text}, only {agreement} that were looked at do",
            remedy,
            details=self._examples(agreement),
        )

    def _no_rule(self, tried: Sequence[tuple[Rule, Agreement]]) -> DataError:
        return DataError(
            "composites that equal their background outside the mask",
            f"no rule that says which background belongs to which of {len(self._composites):,} composites fits",
            f"{self._remedy('csv: FILE')} Its columns are composite and background.",
            details=shorten([f"{agreement} fit: {rule.text}" for rule, agreement in tried], 8),
        )

    def _examples(self, agreement: Agreement) -> list[str]:
        return shorten(
            [
                f"'{self._composites.shown(composite)}' does not lie on '{self._backgrounds.shown(background)}'"
                for composite, background in agreement.misfits
            ],
            4,
        )

    def _do_not_divide(self) -> DataError:
        ratio = self._options.get("ratio")
        each = f"{ratio:,} composites of each background after one another" if ratio else "equally many of each"
        return DataError(
            f"composites that divide among the backgrounds: {each}",
            f"{len(self._composites):,} composites, {len(self._backgrounds):,} backgrounds",
            "Add what is missing, correct the ratio, or name every background in a table: "
            "'data.layout_options={csv: FILE}', with columns composite and background.",
            details=[f"{block.label}: {len(block.names):,}" for block in self._composites.blocks],
        )

    def _catalog(self, rule: Rule, kept: Int64[np.ndarray, " kept"]) -> Catalog:
        locations = self._backgrounds.locations()
        places = self._composites.locations()
        ids = self._composites.ids()
        masks = self._masks.locations()
        targets = {"mask": [masks[number] for number in self._partners[kept].tolist()]}
        if self._depths is not None:
            targets["depth"] = self._depth_locations(self._depths, kept)
        names = [without_suffix(name) for name in self._backgrounds.names]
        backgrounds = rule.backgrounds[kept].tolist()
        return Catalog(
            ids=[ids[number] for number in kept.tolist()],
            inputs={
                "background": [locations[number] for number in backgrounds],
                "composite": [places[number] for number in kept.tolist()],
            },
            targets=targets,
            facts={"background": [names[number] for number in backgrounds]},
        )

    def _depth_locations(self, depths: PictureSet, kept: Int64[np.ndarray, " kept"]) -> list[str]:
        partners, spare = match_names(self._composites, depths)
        without = int((partners[kept] < 0).sum())
        if without == len(kept):
            raise DataError(
                "depths that carry the names of their composites",
                f"none of {len(depths):,} does; the first is '{depths.shown(0)}'",
                "Rename the depths like their composites.",
            )
        if without or spare:
            self._notes.append(
                f"Composites without a depth, which teach the mask alone: {without:,}; "
                f"depths without a composite, which are left out: {len(spare):,}."
            )
        locations = [*depths.locations(), ""]
        return [locations[number] for number in partners[kept].tolist()]

    def _pairing(self, kept: Int64[np.ndarray, " kept"], ids: list[str]) -> Pairing:
        missing = np.setdiff1d(np.arange(len(self._composites)), kept).tolist()
        return Pairing(
            pairs=list(zip(ids, ids, strict=True)),
            unmatched_images=[self._composites.shown(number) for number in missing],
            unmatched_masks=[self._masks.shown(number) for number in self._spare],
            ambiguous=[],
            rule="composite, mask and depth share a name",
        )

    def _group(self, catalog: Catalog, rule: Rule, kept: Int64[np.ndarray, " kept"]) -> tuple[str, ...]:
        """Fill in what splits must keep together; returns the facts that no two splits may share."""
        split = self._options.get("split", "apart")
        foregrounds = self._foregrounds(rule)
        if foregrounds is not None:
            catalog.facts["foreground"] = [foregrounds[number] for number in kept.tolist()]
        if split == "random":
            self._notes.append("Splits are random: the same backgrounds and foregrounds are in all, so scores flatter.")
            return ()
        if split == "background" or foregrounds is None:
            catalog.groups = list(catalog.facts["background"])
            if split == "apart":
                self._notes.append(
                    "Splits share no background, but may share foregrounds: which is which is not known. "
                    "Say how many there are with 'data.layout_options={foregrounds: N}'."
                )
            return ()
        return "background", "foreground"

    def _foregrounds(self, rule: Rule) -> list[str] | None:
        """Name of the foreground of each composite, as far as it can be known."""
        stems = [without_suffix(name) for name in self._composites.names]
        pattern = self._options.get("foreground_name")
        if pattern is not None:
            return name_foregrounds(stems, compile_foreground(pattern))
        if rule.options == "background: name" and all(map(COMPOSED.fullmatch, stems)):
            return name_foregrounds(stems, COMPOSED)
        count = self._options.get("foregrounds") or self._cutouts
        if not count or not rule.places.size:
            return None
        each = len(self._composites) // len(self._backgrounds)
        if each % count or count % rule.cycles:
            if "foregrounds" not in self._options:
                return None
            raise DataError(
                f"foregrounds that divide the {each:,} composites of each background",
                f"{count:,} foregrounds in {rule.cycles:,} turn(s) of the backgrounds",
                "Correct the number, or say how names tell it: 'data.layout_options={foreground_name: REGEX}'.",
            )
        self._notes.append(f"Foregrounds: {count:,}, each {each // count:,} times in a row on every background.")
        names = [f"fg{number + 1}" for number in range(count)]
        return [names[number] for number in (rule.places // (each // count)).tolist()]

    def _label_maps(self) -> dict[str, LabelMap]:
        cut = self._check.mask_cut
        maps = {
            "mask": LabelMap(
                task="binary",
                names=("background", "foreground"),
                colors=class_colors(2),
                encoding="threshold",
                values=((0,), (cut,)),
                because=f"masks of composites: foreground from {cut} on, whatever compression left between",
            )
        }
        if self._depths is not None:
            dtype = read_info(self._depths.location(0)).dtype
            factor = float(self._options.get("factor", _SCALES.get(dtype, 1.0)))
            unit = str(self._options.get("unit", ""))
            maps["depth"] = LabelMap(
                task="regression",
                names=(),
                colors=(),
                unit=unit,
                factor=factor,
                because=f"depths of composites: stored {dtype} × {factor:.6g}{f' = {unit}' if unit else ', relative'}",
            )
        return maps
