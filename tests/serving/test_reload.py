"""A bundle that changes on the disk is served anew, without a pause."""

import os
import shutil
import threading

from limner.files import write_bytes


def _version(server):
    return server.ask("/v1/models").json[0]["version"]


def test_a_new_bundle_is_served_and_a_broken_one_is_not(serve, every_task, png, wait, tmp_path):
    path = tmp_path / "model.safetensors"
    shutil.copy(every_task("unet"), path)
    server = serve(models={"m": path}, reload=0.05)
    before = server.predict(png()).json["targets"]
    statuses, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            statuses.append(server.predict(png()).status)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        write_bytes(path, every_task("improved_unet").read_bytes())
        wait(lambda: _version(server) == 2)
        after = server.predict(png()).json["targets"]
        assert after != before
        write_bytes(path, b"no bundle")
        wait(lambda: b'limner_model_load_failures_total{model="m"} 1.0' in server.ask("/metrics").body)
        os.utime(path)
        wait(lambda: b'limner_model_load_failures_total{model="m"} 2.0' in server.ask("/metrics").body)
        assert server.predict(png()).json["targets"] == after
        path.unlink()
        assert server.predict(png()).json["targets"] == after
        write_bytes(path, every_task("unet").read_bytes())
        wait(lambda: _version(server) == 3)
        assert server.predict(png()).json["targets"] == before
    finally:
        stop.set()
        asking.join()
    assert set(statuses) == {200}
