"""Cars on a turntable in a studio, from 16 sides each, as Kaggle's Carvana challenge has them.

Layer: examples.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32, UInt8
from scipy import ndimage

from limner.examples.car_shapes import (
    DARK,
    GLASS,
    LAMP,
    PLATE,
    RIM,
    RUBBER,
    TAIL,
    Car,
    draw_car,
)
from limner.examples.meshes import Camera, look, surface
from limner.examples.shapes import smooth_field
from limner.files import write_text
from limner.images import encode_rle, write_image, write_mask
from limner.threads import ordered_map
from limner.types import Color, Size

VIEWS = 16
"""Pictures of each car."""

# So many cars are drawn by turns, so that a few pictures already show several cars, which a split needs.
_TURNS = 4

PARTS: tuple[tuple[str, Color], ...] = (
    ("background", (0, 0, 0)),
    ("body", (214, 39, 40)),
    ("windows", (31, 119, 180)),
    ("wheels", (255, 187, 40)),
    ("lights", (148, 223, 138)),
)
"""Names and colours of the masks of `car_parts`, by value."""

_PART_OF = np.array([1, 2, 3, 3, 4, 4, 1, 1], np.uint8)  # by material
_COLORS = {
    GLASS: (0.03, 0.035, 0.04),
    RUBBER: (0.02, 0.02, 0.022),
    RIM: (0.5, 0.5, 0.52),
    LAMP: (0.5, 0.55, 0.6),
    TAIL: (0.45, 0.02, 0.02),
    DARK: (0.02, 0.02, 0.02),
    PLATE: (0.8, 0.8, 0.75),
}
_SHINE = np.array([0.5, 0.85, 0.03, 0.6, 0.7, 0.5, 0.05, 0.1], np.float32)

_README = """\
{name}: cars on a turntable, up to {views} pictures of each.

train/         HASH_01.jpg to HASH_16.jpg: 8-bit colour, one HASH per car
train_masks/   HASH_01_mask.gif: {values}
test/          a further car, without masks
metadata.csv   a line for each car
{table}
Folders and names are those of Kaggle's Carvana Image Masking Challenge.
Drawn by Limner from the seed {seed}; no photograph was used. CC0 1.0: do with them what you like.
"""
_TABLE = "train_masks.csv   the same masks as run lengths, along the rows, counted from 1\n"
_MODELS = {"Corvid": ("Wren", "Rook", "Jay"), "Halden": ("Vik", "Torp"), "Osprey": ("Kite", "Harrier", "Merlin")}


def write_cars(folder: Path, count: int = 64, seed: int = 0, size: Size = (1280, 1918)) -> None:
    """Cars on a turntable: train/ and train_masks/ as in Kaggle's Carvana challenge, 16 pictures of each, binary."""

    def write(number: int) -> str:
        name, image, parts = _draw_numbered(number, seed, size)
        write_image(folder / "train" / f"{name}.jpg", image)
        write_mask(folder / "train_masks" / f"{name}_mask.gif", np.minimum(parts, 1), [(0, 0, 0), (255, 255, 255)])
        return f"{name}.jpg,{encode_rle(parts)}\n"

    lines = list(ordered_map(write, range(count)))
    write_text(folder / "train_masks.csv", "".join(["img,rle_mask\n", *lines]))
    _write_rest(folder, "Cars", "0 background, 1 car", _TABLE, count, seed, size)


def write_car_parts(folder: Path, count: int = 64, seed: int = 0, size: Size = (1280, 1918)) -> None:
    """The same cars with masks of their parts: body, windows, wheels and lights."""

    def write(number: int) -> None:
        name, image, parts = _draw_numbered(number, seed, size)
        write_image(folder / "train" / f"{name}.jpg", image)
        write_mask(folder / "train_masks" / f"{name}_mask.gif", parts, [color for _, color in PARTS])

    for _ in ordered_map(write, range(count)):
        pass
    values = ", ".join(f"{value} {name}" for value, (name, _) in enumerate(PARTS))
    _write_rest(folder, "car_parts", values, "", count, seed, size)


def draw_view(
    car: Car, view: int, rng: np.random.Generator, size: Size = (1280, 1918)
) -> tuple[UInt8[np.ndarray, "height width 3"], UInt8[np.ndarray, "height width"]]:
    """A photograph of a car, and its parts (see `PARTS`).

    Args:
        car: The car.
        view: Side it is seen from, 1 to 16.
        rng: Source of light and noise.
        size: Height and width.
    """
    camera = _camera(view, rng, size)
    mesh = car.mesh()
    rays = camera.rays()
    triangles = look(mesh, camera)
    places = triangles >= 0
    scene = _studio(car, camera, rays, rng)
    parts = np.zeros(size, np.uint8)
    if places.any():
        points, normals = surface(mesh, triangles[places], camera, rays[places])
        materials = car.materials(points, normals, mesh.things[triangles[places]])
        parts[places] = _PART_OF[materials]
        scene[places] = _shade(car, points, normals, rays[places], materials)
    return _expose(scene, rng), parts


def _draw_numbered(
    number: int, seed: int, size: Size
) -> tuple[str, UInt8[np.ndarray, "height width 3"], UInt8[np.ndarray, "height width"]]:
    """Name, photograph and parts of the n-th picture."""
    place, view = _car_and_view(number)
    car = draw_car(np.random.default_rng((seed, 4, place)))
    return f"{_hash(place)}_{view:02d}", *draw_view(car, view, np.random.default_rng((seed, 4, place, view)), size)


def _car_and_view(number: int) -> tuple[int, int]:
    """Which car, from 0, the n-th picture shows from which side, from 1."""
    block, rest = divmod(number, _TURNS * VIEWS)
    return _TURNS * block + rest % _TURNS, rest // _TURNS + 1


def _write_rest(folder: Path, name: str, values: str, table: str, count: int, seed: int, size: Size) -> None:
    cars = len({_car_and_view(number)[0] for number in range(count)})
    car = draw_car(np.random.default_rng((seed, 5)))
    for view in range(1, min(VIEWS, count) + 1, 5):
        image, _ = draw_view(car, view, np.random.default_rng((seed, 5, view)), size)
        write_image(folder / "test" / f"{_hash(cars, 'test')}_{view:02d}.jpg", image)
    rng = np.random.default_rng((seed, 6))
    lines = ["id,year,make,model,trim1,trim2"]
    for number in range(cars):
        make = list(_MODELS)[rng.integers(len(_MODELS))]
        model = _MODELS[make][rng.integers(len(_MODELS[make]))]
        lines.append(f"{_hash(number)},{rng.integers(2004, 2017)},{make},{model},Base,{rng.integers(10**6):06d}")
    write_text(folder / "metadata.csv", "\n".join([*lines, ""]))
    readme = _README.format(name=name, views=VIEWS, values=values, table=table, seed=seed)
    write_text(folder / "README.txt", readme)


def _hash(number: int, kind: str = "train") -> str:
    """Twelve hexadecimal digits that stand for a car."""
    return hashlib.blake2b(f"{kind} {number}".encode(), digest_size=6).hexdigest()


def _camera(view: int, rng: np.random.Generator, size: Size) -> Camera:
    turn = 2 * np.pi * (view - 1) / VIEWS + rng.normal(0, 0.01)
    place = np.array([8.4 * np.cos(turn), 8.4 * np.sin(turn), 1.75], np.float32)
    target = np.array([0, 0, 0.72], np.float32) + rng.normal(0, 0.03, 3).astype(np.float32)
    return Camera(place, target, 1.12 * min(1.5 * size[0], size[1]), size)


def _studio(
    car: Car, camera: Camera, rays: Float32[np.ndarray, "height width 3"], rng: np.random.Generator
) -> Float32[np.ndarray, "height width 3"]:
    """A round room without corners: pale wall, grey floor, a turntable, and the car's shadow."""
    reach = np.where(rays[..., 2] < -1e-3, -camera.place[2] / np.minimum(rays[..., 2], -1e-3), 1e3)
    x, y = (camera.place[axis] + reach * rays[..., axis] for axis in (0, 1))
    far = np.hypot(x, y)
    wall = np.clip((far - 5.2) / 4.5, 0, 1)
    wall = wall * wall * (3 - 2 * wall)
    disc = np.clip((3.35 - far) * 30, 0, 1)
    seam = np.exp(-(((far - 3.35) / 0.025) ** 2)) + 0.5 * np.exp(-(((far - 2.2) / 0.015) ** 2))
    floor = 0.36 + 0.07 * disc - 0.16 * seam
    outside = np.hypot(np.maximum(np.abs(x) - 0.44 * car.length, 0), np.maximum(np.abs(y) - 0.4 * car.width, 0))
    shadow = 0.85 * np.exp(-((outside / 0.22) ** 2)) + 0.25 * np.exp(-((outside / 1.1) ** 2))
    floor *= 1 - np.minimum(shadow, 0.92)
    upper = 0.66 + 0.3 * np.clip(rays[..., 2] * 3 + 0.25, -0.4, 1)
    grain = 1 + 0.02 * smooth_field(rng, (camera.size[0], camera.size[1]), 5).astype(np.float32)
    grey = (floor * (1 - wall) + upper * wall) * grain
    return np.asarray(grey[..., None] * np.array([0.97, 0.985, 1.0], np.float32), np.float32)


def _shade(
    car: Car,
    points: Float32[np.ndarray, "pixels 3"],
    normals: Float32[np.ndarray, "pixels 3"],
    rays: Float32[np.ndarray, "pixels 3"],
    materials: Int32[np.ndarray, " pixels"],
) -> Float32[np.ndarray, "pixels 3"]:
    """Light from above and all around, and what the surface mirrors of the room."""
    table = np.array([_COLORS.get(material, car.paint) for material in range(8)], np.float32)
    facing = -np.einsum("pc,pc->p", normals, rays)
    mirrored = rays + 2 * facing[:, None] * normals
    ambient = 0.5 + 0.45 * normals[:, 2] + 0.12 * np.abs(normals[:, 0])
    ambient *= np.clip(0.35 + points[:, 2] / 0.9, 0.3, 1)
    up = mirrored[:, 2]
    # The room from where the car stands: grey floor, pale wall, a strip of light overhead.
    room = 0.25 + 0.6 / (1 + np.exp(-14 * (up - 0.03))) + 1.6 * np.exp(-(((up - 0.62) / 0.1) ** 2))
    fresnel = _SHINE[materials] * (0.09 + 0.91 * (1 - np.clip(facing, 0, 1)) ** 4)
    color = table[materials] * ambient[:, None] * 0.95
    return np.asarray(color * (1 - fresnel[:, None]) + (fresnel * room)[:, None], np.float32)


def _expose(
    scene: Float32[np.ndarray, "height width 3"], rng: np.random.Generator
) -> UInt8[np.ndarray, "height width 3"]:
    """A lens and a sensor."""
    sharp = ndimage.gaussian_filter(scene, (0.6, 0.6, 0))
    exposed = 255 * np.clip(sharp * rng.uniform(0.95, 1.08), 0, 1) ** (1 / 1.8)
    exposed += rng.standard_normal(exposed.shape, dtype=np.float32) * 1.8
    return np.asarray(np.clip(exposed, 0, 255), dtype=np.uint8)
