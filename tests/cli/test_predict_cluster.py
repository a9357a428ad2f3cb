"""`limner predict --cluster ray`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Limner = Callable[..., Any]

COUNT = 120


class TestRefused:
    def test_without_ray_the_line_to_type_is_shown(self, limner, trained, cells, tmp_path, monkeypatch) -> None:
        monkeypatch.setitem(sys.modules, "ray", None)
        said = limner("predict", trained.folder, cells / "images", "-o", tmp_path / "out", "--cluster", "ray")
        assert said.code == 2
        assert "MissingExtra" in said.err
        assert "pip install 'limner[scale]'" in said.err

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--cluster", "rey"], "Did you mean 'ray'?"),
            (["--cluster", "ray", "--engine", "auto"], "one engine for all machines"),
            (["--cluster", "ray", "--format", "nifti"], "--shard NUMBER/COUNT"),
            (["--cluster", "ray", "--precision", "int8"], "views and precision that need no measuring"),
            (["--cluster", "ray", "--address", "ray://head:10001"], "ray job submit"),
            (["--address", "local"], "--cluster ray"),
        ],
    )
    def test_what_makes_no_sense_is_said_before_anything_starts(
        self, refused, trained, cells, tmp_path, words, said
    ) -> None:
        out = tmp_path / "out"
        assert said in refused("predict", trained.folder, cells / "images", "-o", out, *words)
        assert not list(tmp_path.rglob("*.png"))

    @pytest.mark.slow
    def test_ray_neither_reports_its_use_nor_sends_the_users_folder(self) -> None:
        code = (
            "from limner.inference.cluster import import_ray\n"
            "ray = import_ray()\n"
            "from ray._common.usage.usage_lib import usage_stats_enabled\n"
            "from ray._private.ray_constants import RAY_ENABLE_UV_RUN_RUNTIME_ENV\n"
            "assert not usage_stats_enabled() and not RAY_ENABLE_UV_RUN_RUNTIME_ENV"
        )
        subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "RAY_USAGE_STATS_ENABLED": "1"})


@pytest.fixture
def pictures(cells: Path, tmp_path: Path) -> Path:
    """Many names of twelve pictures, and one that is none."""
    folder = tmp_path / "many"
    originals = sorted((cells / "images").iterdir())
    for number in range(COUNT):
        path = folder / f"{number % 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(originals[number % len(originals)])
    (folder / "0" / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """A cluster of two machines, as far as Ray can tell, and the one that can be lost."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    monkeypatch.setenv("RAY_BACKEND_LOG_LEVEL", "fatal")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    from ray.cluster_utils import Cluster

    machine = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    # A lost machine is noticed after seconds instead of half a minute.
    health = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
    cluster = Cluster(initialize_head=True, head_node_args={**machine, "_system_config": health})
    try:
        yield cluster, cluster.add_node(**machine)
    finally:
        cluster.shutdown()


def contents(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".limner-predict.jsonl")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@contextmanager
def lost_after(count: int, out: Path, cluster: Any, machine: Any) -> Iterator[list[int]]:
    """Kills a machine once so many pictures are done; gives how many were done then."""
    found: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            if (done := len(list(out.glob("[0-9]/*.png")))) >= count:
                cluster.remove_node(machine, allow_graceful=False)
                found.append(done)
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_lost_machine_loses_nothing_and_makes_nothing_twice(
    limner: Limner, trained: Any, pictures: Path, two_nodes: tuple[Any, Any], tmp_path: Path
) -> None:
    cluster, machine = two_nodes
    words = [trained.folder, pictures, "--overlay", "--contours", "coco", "--measure", "--batch", 1, "--json"]
    plain, out = tmp_path / "plain", tmp_path / "out"
    expected = limner("predict", *words, "-o", plain, "--rle", plain / "runs.csv")
    asked = ["-o", out, "--rle", out / "runs.csv", "--cluster", "ray", "--address", cluster.address]
    with lost_after(COUNT // 4, out, cluster, machine) as done:
        result = limner("predict", *words, *asked)
    assert 0 < done[0] < COUNT
    assert result.code == expected.code == 1, result.err
    # Every file once, byte for byte, tables of all pictures too, and nothing that was being made.
    assert contents(out) == contents(plain)
    assert not list(out.glob(".limner-cluster-*"))
    journal = (out / ".limner-predict.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["name"] for line in journal[1:]) == sorted(
        path.relative_to(pictures).with_suffix("").as_posix() for path in pictures.glob("[0-9]/[0-9]*.png")
    )
    said, before = result.json, expected.json
    assert [Path(path).relative_to(out) for path in said["written"]] == [
        Path(path).relative_to(plain) for path in before["written"]
    ]
    assert said["failed"].keys() == before["failed"].keys() == {"0/broken.png"}

    # A call without a cluster goes on with it, and leaves out what is finished.
    (out / "1" / "1.png").unlink()
    again = limner("predict", *words, "-o", out, "--rle", out / "runs.csv", "--resume")
    assert again.json["resumed"] == COUNT - 1
    assert contents(out) == contents(plain)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_call_that_is_asked_to_end_leaves_what_is_whole_and_goes_on(
    limner: Limner,
    process: Callable[..., subprocess.Popen[str]],
    trained: Any,
    cells: Path,
    two_nodes: tuple[Any, Any],
    tmp_path: Path,
) -> None:
    cluster, _ = two_nodes
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    originals = sorted((cells / "images").iterdir())
    for number in range(5 * COUNT):
        (pictures / f"{number}.png").hardlink_to(originals[number % len(originals)])
    words = [trained.folder, pictures, "--batch", 1, "-o", out]
    popen = process("predict", *words, "--cluster", "ray", "--address", cluster.address)
    journal, end = out / ".limner-predict.jsonl", time.monotonic() + 300
    while not journal.exists() or len(journal.read_text().splitlines()) < 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert list(out.glob(".limner-cluster-*"))
    popen.send_signal(signal.SIGTERM)
    _, err = popen.communicate(timeout=60)
    assert popen.returncode == 130, err
    assert "Traceback" not in err
    assert not list(out.glob(".limner-cluster-*"))
    again = limner("predict", *words, "--resume", "--json")
    assert again.code == 0, again.err
    assert 0 < again.json["resumed"] < 5 * COUNT
    assert len(list(out.glob("[0-9]*.png"))) == 5 * COUNT
