"""Names of the files in the folder of a conversion.

Layer: data; imports nothing of `data`. Values only.
"""

from __future__ import annotations

SAMPLES = "samples.csv"
SHAPES = "conversion.csv"
CONVERSION = "conversion.json"

SIGNATURE = "limner conversion"
"""Value of `format` in `CONVERSION`."""
