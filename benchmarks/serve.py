"""`limner serve` under load: errors, lost and swapped answers, memory, latency and throughput, beside other servers.

    python benchmarks/serve.py [--seconds 60] [--clients 32] [--side 256] [--widths 8 16 32] [--peer-python PYTHON]

Makes a model (an untrained U-Net, float32), predicts each of its pictures offline, and lets clients
ask for random ones all the time. Each answer is compared with the offline prediction of that picture. `--peer-python`
is an interpreter that has litserve; without it LitServe is left out.
"""

import argparse
import base64
import http.client
import io
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import limner
from limner.bundle import BundleMeta, DataSpec, InputSpec, ModelSpec, TargetSpec, TilingSpec, save_bundle
from limner.models import create_model
from limner.serving.client import _form

_PICTURES = 48
_NEAR = 0.002  # share of pixels that another batch size may decide otherwise


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--side", type=int, default=256, help="of the pictures")
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 16, 32], help="of the network")
    parser.add_argument("--peer-python", default="")
    parser.add_argument("--alone", action="store_true", help="without other servers")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        bundle, pictures, expected = _prepare(folder, asked.side, asked.widths)
        print(f"cores {os.cpu_count()}, load before {os.getloadavg()[0]:.1f}, {asked.clients} clients")
        print(f"engine alone: {_engine(bundle, pictures, asked.seconds / 6)}", flush=True)
        _load(
            "limner",
            folder,
            [sys.executable, "-m", "limner", "serve", str(bundle), "--port", "{port}"],
            "/v1/predict",
            pictures,
            expected,
            asked.clients,
            asked.seconds,
        )
        if asked.alone:
            print(f"engine alone: {_engine(bundle, pictures, asked.seconds / 6)}", flush=True)
            return
        peers = str(Path(__file__).with_name("serve_peers.py"))
        print(f"engine alone: {_engine(bundle, pictures, asked.seconds / 6)}", flush=True)
        _load(
            "FastAPI + torch",
            folder,
            [sys.executable, peers, "plain", str(bundle), "{port}"],
            "/predict",
            pictures,
            expected,
            asked.clients,
            asked.seconds / 2,
        )
        if asked.peer_python:
            _load(
                "LitServe",
                folder,
                [asked.peer_python, peers, "litserve", str(bundle), "{port}"],
                "/predict",
                pictures,
                expected,
                asked.clients,
                asked.seconds / 2,
            )
        print(f"engine alone: {_engine(bundle, pictures, asked.seconds / 6)}", flush=True)
        print(f"load after {os.getloadavg()[0]:.1f}")


def _prepare(folder: Path, side: int, widths: list[int]) -> tuple[Path, list[bytes], list[np.ndarray]]:
    data = Path(limner.sample("cells", folder / "cells", count=_PICTURES, size=(side, side)))
    bundle = folder / "model.safetensors"
    torch.manual_seed(7)
    kwargs: dict[str, Any] = {"conv_sizes": widths, "in_channels": 1, "out_channels": {"mask": 1}}
    network = create_model("unet", **kwargs)
    meta = BundleMeta(
        model=ModelSpec(name="unet", kwargs=kwargs),
        inputs=InputSpec(channels=1, dtype="uint8", low=0.0, high=255.0, mean=[0.4], std=[0.2], fit="native"),
        targets={"mask": TargetSpec(task="binary", names=["rest", "cell"], colors=[(0, 0, 0), (230, 159, 0)])},
        tiling=TilingSpec(size=512),
        data=DataSpec(hash="0", count=1),
        precision="float32",
    )
    save_bundle(bundle, network, meta)
    files = sorted((data / "images").iterdir())
    predictor = limner.load(bundle, device="cpu")
    expected = [predictor.predict(file).mask for file in files]
    assert expected[0].shape == (side, side)
    assert len({mask.tobytes() for mask in expected}) == len(files)
    return bundle, [file.read_bytes() for file in files], expected


def _engine(bundle: Path, pictures: list[bytes], seconds: float) -> str:
    """Pictures in a second of the predictor itself, in its own batches, of pictures decoded before."""
    script = (
        "import sys, time, io, numpy as np, limner\n"
        "from limner.allocator import keep_large_blocks\n"
        "from PIL import Image\n"
        "from pathlib import Path\n"
        "keep_large_blocks()\n"
        "p = limner.load(sys.argv[1], device='cpu')\n"
        "files = sorted(Path(sys.argv[2]).iterdir())\n"
        "inputs = [p.make_input(np.array(Image.open(f))) for f in files]\n"
        "list(p.predict_inputs(inputs, probabilities=False, doubts=True))\n"
        "start, used, count = time.perf_counter(), time.process_time(), 0\n"
        "while time.perf_counter() - start < float(sys.argv[3]):\n"
        "    count += len(list(p.predict_inputs(inputs, probabilities=False, doubts=True)))\n"
        "print(count / (time.perf_counter() - start), (time.process_time() - used) / count)\n"
    )
    folder = bundle.parent / "cells" / "images"
    done = subprocess.run(
        [sys.executable, "-c", script, str(bundle), str(folder), str(seconds)],
        capture_output=True,
        text=True,
        check=True,
    )
    rate, used = map(float, done.stdout.split())
    return f"{rate:.1f} pictures/s, {used * 1000:.0f} ms of processor each"


def _load(name, folder, command, path, pictures, expected, clients, seconds) -> None:
    port = _free_port()
    log = (folder / "log").open("w")
    command = [word.format(port=port) for word in command]
    server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(port)
        ask = multiprocessing.get_context("fork").Process
        queue = multiprocessing.get_context("fork").SimpleQueue()
        # Once before, so that what is made at the first request is there.
        _client(port, path, pictures, expected, 1.0, 0, [])
        memory: list[float] = []
        used = _processor(server.pid)
        process = ask(target=_clients, args=(port, path, pictures, expected, clients, seconds, queue))
        process.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(2.0, seconds / 10))
            memory.append(_memory(server.pid))
        used = _processor(server.pid) - used
        answers = queue.get()
        process.join()
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:  # LitServe's main process does not end by it
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
    right = [took for status, took in answers if status == "right"]
    counts = {kind: sum(status == kind for status, _ in answers) for kind in ("right", "wrong", "503", "error")}
    p50, p99 = np.percentile(right, (50, 99)) * 1000
    third = max(1, len(memory) // 3)
    print(
        f"{name}: {len(right) / seconds:.1f} pictures/s, {used / len(right) * 1000:.0f} ms of processor each, "
        f"p50 {p50:.0f} ms, p99 {p99:.0f} ms; {counts}; memory {np.mean(memory[:third]):.0f} MB in the first third, "
        f"{np.mean(memory[-third:]):.0f} MB in the last, most {max(memory):.0f} MB",
        flush=True,
    )


def _clients(port, path, pictures, expected, count, seconds, queue) -> None:
    found: list[tuple[str, float]] = []
    threads = [
        threading.Thread(target=_client, args=(port, path, pictures, expected, seconds, seed, found))
        for seed in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queue.put(found)


def _client(port, path, pictures, expected, seconds, seed, found) -> None:
    chance, end = random.Random(seed), time.monotonic() + seconds
    bodies = [_form([("image", "a.png", data)], {}) for data in pictures]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    while time.monotonic() < end:
        number = chance.randrange(len(pictures))
        body, kind = bodies[number]
        start = time.monotonic()
        try:
            connection.request("POST", path, body, {"Content-Type": kind})
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException):
            found.append(("error", 0.0))
            connection.close()
            continue
        took = time.monotonic() - start
        if answer.status == 503:
            found.append(("503", took))
            time.sleep(float(answer.headers["Retry-After"]))
        elif answer.status != 200:
            found.append(("error", took))
        else:
            found.append(("right" if _same(data, expected[number]) else "wrong", took))
    connection.close()


def _same(data: bytes, expected: np.ndarray) -> bool:
    if data.startswith(b"{"):
        data = base64.b64decode(json.loads(data)["targets"]["mask"]["mask"])
    return float((np.array(Image.open(io.BytesIO(data))) != expected).mean()) <= _NEAR


def _memory(pid: int) -> float:
    """Megabytes of a process and its children."""
    total = 0
    for one in [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]:
        text = Path(f"/proc/{one}/status").read_text()
        total += int(text.partition("VmRSS:")[2].split()[0])
    return total / 1024


def _processor(pid: int) -> float:
    """Seconds of processor that a process and its children have used."""
    ticks = 0
    for one in [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]:
        ticks += sum(map(int, Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait(port: int) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the server does not answer")


if __name__ == "__main__":
    main()
