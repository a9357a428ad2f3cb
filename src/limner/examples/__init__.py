"""Example data sets: drawn, seeded and realistic, for a first try, for tests and for the documentation.

Layer: above `render`, below `data`. Imports no torch.

    table    the data sets by name (`EXAMPLES`), and `write_example`
    cells    fluorescent nuclei: grey, binary, folders images/ and masks/
    tissue   stained sections: colour, four classes, already split
    coins    photographs: colour, binary, one folder, many sizes, some masks empty
    composites  animals on landscapes: composites, masks and depths, numbered, in archives
    spines   MRI of lower backs: grey .png beside .npy masks, three classes, some masks empty
    cars     cars on a turntable, laid out as Kaggle's Carvana challenge; whole, or in parts (`car_parts`)
    lesions  skin lesions, laid out as the ISIC 2018 challenge
    shapes   what they are drawn with; `meshes` and `car_shapes` what cars are made of
"""

from limner.examples.table import EXAMPLES, write_example

__all__ = ["EXAMPLES", "write_example"]
