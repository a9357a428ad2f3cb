"""Whether the pilot tells shuffled pairs from given ones by what a network learns in ten seconds; prints a table.

python benchmarks/pilot.py FOLDER...

Each folder of pictures and masks is taken as it is, and with its masks dealt out anew among pictures of one size.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from limner.data.prepare import Prepared
from limner.training.pilot import learn_two_batches
from limner.training.plan import make_plan
from limner.workflow.settings import prepare_data, read_settings


def deal(data: Prepared) -> Prepared:
    catalog = data.catalog
    rng, targets = np.random.default_rng(0), {name: list(column) for name, column in catalog.targets.items()}
    sizes = np.array(list(zip(catalog.facts["height"], catalog.facts["width"], strict=True)))
    for size in np.unique(sizes, axis=0):
        places = np.flatnonzero((sizes == size).all(axis=1))
        for place, other in zip(places, rng.permutation(places), strict=True):
            for name, column in catalog.targets.items():
                targets[name][place] = column[other]
    return replace(data, catalog=replace(catalog, targets=targets))


def main() -> None:
    print("| data | pairs | steps | loss | p-value |\n|---|---|---|---|---|")
    for folder in sys.argv[1:]:
        # Without the cache, which knows masks by their contents.
        config = read_settings(None, ["device=cpu", "data.check=off", "data.cache=false"], None, data=folder)
        data = prepare_data(config, lambda *_: None)
        plan = make_plan(config, data.fingerprint, data.label_maps, data.catalog.split_counts())
        for name, pairs in (("given", data), ("dealt out", deal(data))):
            found = learn_two_batches(config, pairs, plan, seconds=10.0)
            losses = f"{found.first:.2f} → {found.last:.2f}"
            print(f"| {Path(folder).name} | {name} | {found.steps} | {losses} | {found.pairs:.3f} |", flush=True)


if __name__ == "__main__":
    main()
