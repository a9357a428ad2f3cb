"""One scene, as every format writes it: a cell with a hole, a nucleus over its border, a cell beyond the picture.

Shapes run along pixel borders, so that the masks expected are slices.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from roifile import ROI_TYPE, ImagejRoi

from limner.data.annotations.convert import Wishes, convert_annotations
from limner.data.annotations.output import Converted
from limner.images import write_image
from limner.types import no_progress

HEIGHT, WIDTH = 40, 60
OUTER = [[4, 4], [24, 4], [24, 24], [4, 24]]
HOLE = [[10, 10], [16, 10], [16, 16], [10, 16]]
NUCLEUS = [[20, 8], [30, 8], [30, 14], [20, 14]]
BEYOND = [[50, 30], [70, 30], [70, 36], [50, 36]]


def ring_mask() -> np.ndarray:
    """The cell with its hole."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[4:24, 4:24] = True
    mask[10:16, 10:16] = False
    return mask


def truth() -> tuple[np.ndarray, np.ndarray]:
    """Cells and nucleus, overlapping."""
    cells, nucleus = ring_mask(), np.zeros((HEIGHT, WIDTH), bool)
    cells[30:36, 50:60] = True
    nucleus[8:14, 20:30] = True
    return cells, nucleus


def runs(values: np.ndarray) -> list[int]:
    """Lengths of runs that begin with background, counted one by one."""
    lengths, current = [0], False
    for value in values.tolist():
        if value != current:
            lengths.append(0)
            current = value
        lengths[-1] += 1
    return lengths


def png(array: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def brush(mask: np.ndarray) -> list[int]:
    """Label Studio's bits, put together from their description: runs of up to 256 equal bytes."""
    words = np.repeat(mask.ravel().astype(np.uint8) * 255, 4)
    bits = [f"{len(words):032b}", f"{7:05b}", *(f"{size - 1:04b}" for size in (3, 4, 8, 16))]
    at = 0
    while at < len(words):
        end = at + 1
        while end < min(len(words), at + 256) and words[end] == words[at]:
            end += 1
        if end - at > 1:
            bits.append(f"1{2:02b}{end - at - 1:08b}{words[at]:08b}")
        else:
            bits.append(f"0{0:02b}{0:03b}{words[at]:08b}")
        at = end
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return [int(text[place : place + 8], 2) for place in range(0, len(text), 8)]


def flat(points: list[list[int]]) -> list[int]:
    return [part for point in points for part in point]


def coco() -> dict[str, Any]:
    annotations = [
        {"category_id": 3, "segmentation": {"size": [HEIGHT, WIDTH], "counts": runs(ring_mask().T.ravel())}},
        {"category_id": 7, "segmentation": [flat(NUCLEUS)]},
        {"category_id": 3, "segmentation": [flat(BEYOND)]},
    ]
    return {
        "images": [{"id": 9, "file_name": "a.png", "height": HEIGHT, "width": WIDTH}],
        "annotations": [{"id": number, "image_id": 9, **one} for number, one in enumerate(annotations, start=1)],
        "categories": [{"id": 3, "name": "cell"}, {"id": 7, "name": "nucleus"}],
    }


def labelme() -> dict[str, Any]:
    cut = ring_mask()[4:24, 4:24]
    return {
        "version": "5.4.1",
        "flags": {},
        "shapes": [
            {"label": "cell", "shape_type": "mask", "points": [[4, 4], [23, 23]], "mask": png(cut)},
            {"label": "nucleus", "shape_type": "polygon", "points": NUCLEUS},
            {"label": "cell", "shape_type": "rectangle", "points": [BEYOND[2], BEYOND[0]]},
        ],
        "imagePath": "..\\pictures\\a.png",
        "imageData": None,
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
    }


def pairs(points: list[list[int]]) -> str:
    return ";".join(f"{x:.2f},{y:.2f}" for x, y in points)


def cvat() -> str:
    lengths = ", ".join(map(str, runs(ring_mask()[4:24, 4:24].ravel())))
    return f"""<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><labels>
<label><name>cell</name><color>#fa3253</color></label><label><name>nucleus</name><color>#3d3df5</color></label>
</labels></task></meta>
<image id="0" name="a.png" width="{WIDTH}" height="{HEIGHT}">
  <mask label="cell" source="manual" rle="{lengths}" left="4" top="4" width="20" height="20" z_order="0"></mask>
  <box label="nucleus" xtl="20" ytl="8" xbr="30" ybr="14" z_order="0"></box>
  <polygon label="cell" points="{pairs(BEYOND)}" z_order="0"></polygon>
</image></annotations>"""


def label_studio() -> list[dict[str, Any]]:
    def region(number: int, kind: str, label: str, value: dict[str, Any]) -> dict[str, Any]:
        size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
        return {"id": str(number), "type": kind, **size, "value": {**value, kind: [label]}}

    beyond = [[100 * x / WIDTH, 100 * y / HEIGHT] for x, y in BEYOND]
    box = {"x": 100 * 20 / WIDTH, "y": 100 * 8 / HEIGHT, "width": 100 * 10 / WIDTH, "height": 100 * 6 / HEIGHT}
    results = [
        region(1, "brushlabels", "cell", {"format": "rle", "rle": brush(ring_mask())}),
        region(2, "rectanglelabels", "nucleus", {**box, "rotation": 0}),
        region(3, "polygonlabels", "cell", {"points": beyond, "closed": True}),
    ]
    data = {"image": "/data/upload/3/0a1b2c3d-a.png"}
    return [{"id": 5, "data": data, "annotations": [{"id": 1, "was_cancelled": False, "result": results}]}]


def geojson() -> dict[str, Any]:
    def feature(name: str, color: list[int], *rings: list[list[int]]) -> dict[str, Any]:
        return {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]] for ring in rings]},
            "properties": {"objectType": "annotation", "classification": {"name": name, "color": color}},
        }

    green, blue = [0, 200, 0], [0, 0, 200]
    features = [feature("cell", green, OUTER, HOLE), feature("nucleus", blue, NUCLEUS), feature("cell", green, BEYOND)]
    return {"type": "FeatureCollection", "features": features}


def outlines() -> bytes:
    composite = ImagejRoi(roitype=ROI_TYPE.RECT, left=4, top=4, right=24, bottom=24, name="cell")
    path: list[float] = []
    for ring in (OUTER, HOLE):
        path += [0, *ring[0], *(part for point in ring[1:] for part in (1, *point)), 4]
    composite.multi_coordinates, composite.shape_roi_size = np.array(path, np.float32), len(path)
    box = ImagejRoi(roitype=ROI_TYPE.RECT, left=20, top=8, right=30, bottom=14, name="nucleus-1")
    beyond = ImagejRoi.frompoints(np.array(BEYOND, np.float32), name="cell-12")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number, roi in enumerate((composite, box, beyond)):
            archive.writestr(f"{number:04}.roi", roi.tobytes())
    return stream.getvalue()


WRITERS: dict[str, tuple[str, Callable[[], Any]]] = {
    "coco": ("instances.json", coco),
    "labelme": ("a.json", labelme),
    "cvat": ("annotations.xml", cvat),
    "labelstudio": ("project-1.json", label_studio),
    "geojson": ("a.geojson", geojson),
    "imagej": ("a_RoiSet.zip", outlines),
}


class Desk:
    """A folder with a picture and annotations of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.picture("a.png")

    def picture(self, name: str, size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
        generator = np.random.default_rng(len(name))
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(self.root / name, generator.integers(0, 255, (*size, 3), np.uint8))

    def scene(self, kind: str) -> Any:
        """The scene in a format, to be changed."""
        return WRITERS[kind][1]()

    def write(self, content: Any, name: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    def write_scene(self, kind: str, content: Any = None, name: str = "") -> Path:
        return self.write(self.scene(kind) if content is None else content, name or WRITERS[kind][0])

    def convert(self, place: Path | None = None, *, images: Path | None = None, **wishes: Any) -> Converted:
        """Convert into a new folder beside this one."""
        number = len(list(self.root.parent.glob("out*")))
        out = self.root.parent / f"out{number}"
        return convert_annotations(
            place or self.root, out, images=images, wishes=Wishes(**wishes), progress=no_progress
        )

    def kinds(self, result: Converted) -> list[str]:
        return sorted({doubt.kind for doubt in result.doubts})


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A folder with the picture `a.png`."""
    root = tmp_path / "desk"
    root.mkdir()
    return Desk(root)


@pytest.fixture(params=list(WRITERS))
def kind(request: pytest.FixtureRequest) -> str:
    """Each format."""
    return str(request.param)


@pytest.fixture
def cells_and_nucleus() -> tuple[np.ndarray, np.ndarray]:
    return truth()
