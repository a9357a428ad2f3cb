"""What is known of views: whether they are worth their time, and how that is said.

Layer: inference. What was measured stands in the bundle.
"""

from __future__ import annotations

from limner.bundle import BundleMeta, ViewsSpec
from limner.inference.views import NEEDED, tta_views

_WORDS = {"flips": "mirror images", "symmetries": "symmetries", "scales": "scales"}


def worthwhile(meta: BundleMeta) -> ViewsSpec | None:
    """Of the views whose interval of the gain lies above 0, those that gain most; None where there are none."""
    helpful = [found for found in meta.views if found.helps]
    return max(helpful, key=lambda found: found.gain) if helpful else None


def chosen_views(meta: BundleMeta, asked: str) -> str:
    """The name of the views that were asked for; `auto` takes those that are worth it.

    Raises:
        ConfigError: The name is unknown.
    """
    if asked == "auto":
        best = worthwhile(meta)
        return "none" if best is None else best.tta
    tta_views(asked)
    return asked


def views_sentence(meta: BundleMeta, tta: str, *, models: int = 1) -> str:
    """Which views are used, what they bought where that was measured, and what they cost.

    Args:
        meta: The description of the model.
        tta: The views in use.
        models: How many are used together; of several nothing is measured.
    """
    if models > 1 and tta == "none":
        return "Views: none; what they buy is known of each model alone, not of several together. Choose some by name."
    known = {found.tta: found for found in meta.views}
    if tta in known:
        found = known[tta]
        return f"Views: {_name(tta)}, {found.gain:+.3f} {_unit(found)} {_on(found)}, {_times(found)}"
    if tta != "none":
        unseen = [name for name in NEEDED.get(tta, ()) if name not in meta.symmetries]
        warning = f", and it was trained without {', '.join(unseen)}, so they may harm" if unseen else ""
        return f"Views: {_name(tta)}; what they buy this model has not been measured{warning}"
    if not known:
        return (
            "Views: none; what they would buy this model has not been measured. To measure it on pictures whose masks "
            "are known, type limner calibrate MODEL DATA --tta"
        )
    others = [
        f"{_name(found.tta)} bought {found.gain:+.3f} {_unit(found)} {_on(found)} and would cost {_times(found)}"
        for found in sorted(meta.views, key=lambda found: -found.gain)
    ]
    return f"Views: none; {'; '.join(others)}"


def _name(tta: str) -> str:
    return f"{len(tta_views(tta))} {_WORDS[tta]}"


def _unit(found: ViewsSpec) -> str:
    return "Dice" if found.measure == "dice" else "of the range"


def _on(found: ViewsSpec) -> str:
    on = f"on {found.images:,} {found.source}"
    if found.low is None or found.high is None:
        return f"(too few for an interval) {on}"
    return f"(95 % interval {found.low:.3f} to {found.high:.3f}) {on}"


def _times(found: ViewsSpec) -> str:
    return f"{found.times:.1f} times the time"
