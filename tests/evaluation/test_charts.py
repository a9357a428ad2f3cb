import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from limner.evaluation.charts import Series, histogram, histogram_counts, line_chart, nice_ticks, tick_label


def parse(svg):
    return ET.fromstring(str(svg))


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_enclose_the_values_in_even_round_steps(low, width):
    # Narrower than this, the differences of the ticks are rounding errors of the numbers themselves.
    assume(width > 1e-6 * abs(low))
    ticks = nice_ticks(low, low + width)
    steps = np.diff(ticks)
    assert ticks[0] <= low + 1e-6 * width
    assert ticks[-1] >= low + width * (1 - 1e-6)
    assert 2 <= len(ticks) <= 8
    assert steps == pytest.approx(np.full(len(steps), steps[0]), rel=1e-3)
    assert f"{steps[0]:.3e}"[:5] in ("1.000", "2.000", "5.000", "9.999", "1.999", "4.999")


def test_ticks_of_a_constant_surround_it():
    for value in (0, 0.3, -7):
        ticks = nice_ticks(value, value)
        assert ticks[0] < value < ticks[-1]


@pytest.mark.parametrize(
    ("value", "label"), [(0.30000000000000004, "0.3"), (-2, "-2"), (12345, "12,345"), (1e-12, "1e-12")]
)
def test_tick_labels_are_short(value, label):
    assert tick_label(value) == label


def test_points_stand_where_their_values_say():
    chart = parse(line_chart([1, 2, 3], [Series("dice", [0.0, 0.5, 1.0])], title="t"))
    dots = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in chart.findall("circle")]
    assert dots[1] == pytest.approx(((dots[0][0] + dots[2][0]) / 2, (dots[0][1] + dots[2][1]) / 2), abs=0.11)
    assert dots[0][1] > dots[2][1]
    grid = [float(line.get("y1")) for line in chart.findall("line")]
    assert (max(grid), min(grid)) == (dots[0][1], dots[2][1])


def test_axis_may_begin_at_zero():
    labels = {text.text for text in parse(line_chart([1, 2], [Series("speed", [60, 75])], title="t")).findall("text")}
    assert "0" not in labels
    chart = parse(line_chart([1, 2], [Series("speed", [60, 75])], title="t", from_zero=True))
    assert "0" in {text.text for text in chart.findall("text")}


def test_gap_breaks_the_line():
    chart = parse(line_chart([1, 2, 3, 4, 5], [Series("loss", [1, 2, None, 2, 1])], title="t"))
    path = chart.find("path").get("d")
    assert (path.count("M"), path.count("L")) == (2, 2)
    assert len(chart.findall("circle")) == 4


def test_long_training_has_no_dots():
    epochs = list(range(1, 1001))
    chart = parse(
        line_chart(epochs, [Series("loss", [1 / epoch for epoch in epochs])], title="t", mark=900, mark_name="kept")
    )
    assert not chart.findall("circle")
    assert chart.find("path").get("d").count("L") == 999
    labels = [text.text for text in chart.findall("text")]
    assert "1" in labels
    assert "1000" in labels
    assert "kept" in labels


def test_numbers_that_are_all_alike_or_absent():
    assert parse(line_chart([3], [Series("loss", [0])], title="t")).findall("circle")
    assert line_chart([3], [Series("loss", [None])], title="t") == ""


def test_names_are_escaped():
    svg = line_chart([1], [Series("<b>", [1])], title='"><script>', mark=1, mark_name="<i>")
    assert "<b>" not in svg
    assert "<script" not in svg
    parse(svg)


def test_words_do_not_overlap_on_the_axis():
    for last in (2, 7, 11, 38, 41, 99, 101, 1234):
        chart = parse(line_chart([1, last], [Series("loss", [1, 2])], title="t"))
        labels = sorted(
            (float(text.get("x")), text.text)
            for text in chart.findall("text")
            if text.get("text-anchor") == "middle" and not text.get("class")
        )
        for (left, before), (right, after) in pairwise(labels):
            # A digit of 12 pixels' type is about 7 wide.
            assert right - left > 3.5 * (len(before) + len(after))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.integers(1, 30))
def test_histogram_counts_each_value_once(values, bins):
    counts = histogram_counts(values, bins)
    assert sum(counts) == len(values)
    assert counts == [
        sum(min(math.floor(value * bins), bins - 1) == index for value in values) for index in range(bins)
    ]


def test_bars_are_as_high_as_their_counts():
    chart = parse(histogram([0.01, 0.99, 0.98, 1.0], title="t"))
    bars = chart.findall("rect")
    assert [bar.find("title").text for bar in bars] == ["0.00 to 0.05: 1 image", "0.95 to 1.00: 3 images"]
    heights = [float(bar.get("height")) for bar in bars]
    assert heights[1] == pytest.approx(3 * heights[0], abs=0.2)


def test_charts_have_no_colours_of_their_own():
    assert not re.search(r"#[0-9a-f]{3}|rgb|style=|fill=|stroke=", str(histogram([0.5], title="t")))
