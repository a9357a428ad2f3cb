"""Example data sets: drawn, seeded and realistic, for a first try, for tests and for the documentation.

Layer: above `render`, below `data`. Imports no torch.

    table    the data sets by name (`EXAMPLES`), and `write_example`
    cells    fluorescent nuclei: grey, binary, folders images/ and masks/
    tissue   stained sections: colour, four classes, already split
    coins    photographs: colour, binary, one folder, many sizes, some masks empty
    composites  animals on landscapes: composites, masks and depths, numbered, in archives
    shapes   what they are drawn with
"""

from limner.examples.table import EXAMPLES, write_example

__all__ = ["EXAMPLES", "write_example"]
