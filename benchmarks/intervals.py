"""Coverage of the intervals beside the scores: how often they hold the true mean, over simulated test sets.

    python benchmarks/intervals.py                4,000 test sets of each kind and size, well under a minute of one core

Dice of images is drawn from distributions whose mean is known: a model that is mostly good, one that is middling,
and one that fails altogether on 8 % of the images. In the clustered sets, images of one patient share most of their
deviation, and patients have between 2 and 20 images.
"""

from __future__ import annotations

import argparse
import time
from functools import partial

import numpy as np

from limner.metrics.intervals import RESAMPLES, bootstrap, units

SIZES = (8, 10, 20, 50, 100)
BATCH = 500


def good(rng, shape):
    """Mean 0.9, skewed to the left."""
    return rng.beta(9, 1, shape)


def middling(rng, shape):
    """Mean 0.71."""
    return rng.beta(3, 1.2, shape)


def failing(rng, shape):
    """Mean 0.84: 8 % of the images are missed, the others are good."""
    return np.where(rng.random(shape) < 0.08, 0.0, rng.beta(20, 2, shape))


KINDS = {
    "mostly good, beta(9, 1)": (good, 0.9),
    "middling, beta(3, 1.2)": (middling, 3 / 4.2),
    "good, but 8 % missed": (failing, 0.92 * 20 / 22),
}


def test_sets(kind, size, sets, rng):
    """Scores `images sets 1` of independent test sets, and each image its own unit."""
    draw, mean = KINDS[kind]
    return draw(rng, (size, sets, 1)), units([""] * size), mean


def clustered_sets(patients, sets, rng):
    """Likewise of patients with several images; the mean is that of the images."""
    sizes = np.linspace(2, 20, patients).astype(int)
    own = np.repeat(np.arange(patients), sizes)
    # Logits: patients differ by 1.0, images of a patient by 0.5; independent of how many images there are.
    logits = 2.2 + rng.normal(0, 1.0, (patients, sets))[own] + rng.normal(0, 0.5, (len(own), sets))
    population = np.random.default_rng(0).normal(2.2, np.hypot(1.0, 0.5), 4_000_000)
    return expit(logits)[..., None], own, float(expit(population).mean())


def expit(logits):
    return 1 / (1 + np.exp(-logits))


def percentiles(values, unit, seed):
    """The plain percentile interval of the means, for comparison."""
    n = unit.max() + 1
    sums, numbers = np.zeros((n, values.shape[1])), np.bincount(unit).astype(float)
    np.add.at(sums, unit, values[..., 0])
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(float)
    return np.quantile((times @ sums) / (times @ numbers)[:, None], [0.025, 0.975], axis=0)


def coverage(make, sets, seed=0):
    """Shares of test sets whose interval holds the mean, lies above it, below it; mean width; share by percentiles."""
    rng = np.random.default_rng(seed)
    held = above = below = width = plain = 0.0
    for batch in range(sets // BATCH):
        values, unit, mean = make(BATCH, rng)
        ends = bootstrap(values, [0], unit, seed=batch).classes[:, 0]
        held += ((ends[:, 0] <= mean) & (mean <= ends[:, 1])).sum() / sets
        above += (ends[:, 0] > mean).sum() / sets
        below += (ends[:, 1] < mean).sum() / sets
        width += np.diff(ends).sum() / sets
        low, high = percentiles(values, unit, batch)
        plain += ((low <= mean) & (mean <= high)).sum() / sets
    return held, above, below, width, plain


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sets", type=int, default=4000)
    sets = parser.parse_args().sets
    print("| Dice of the images | n | holds the mean | too high | too low | width | plain percentiles hold it |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    rows = [(kind, f"{size} images", partial(test_sets, kind, size)) for kind in KINDS for size in SIZES]
    rows += [
        ("patients of 2 to 20 images", f"{patients} patients", partial(clustered_sets, patients)) for patients in SIZES
    ]
    for kind, size, make in rows:
        held, above, below, width, plain = coverage(make, sets)
        line = f"| {kind} | {size} | {held:.1%} | {above:.1%} | {below:.1%} | {width:.3f} | {plain:.1%} |"
        print(line.replace("%", " %").replace("8  %", "8 %"), flush=True)
    values = np.random.default_rng(0).beta(9, 1, (500, 11, 1))
    begin = time.perf_counter()
    bootstrap(values, range(1, 11), units([""] * 500))
    print(f"\n{RESAMPLES:,} resamples of 500 images, 10 classes: {time.perf_counter() - begin:.2f} s")


if __name__ == "__main__":
    main()
