"""Servers of others for `serve.py`: the same network behind FastAPI alone, and behind LitServe.

python benchmarks/serve_peers.py plain BUNDLE PORT
python benchmarks/serve_peers.py litserve BUNDLE PORT
"""

import io
import sys

import numpy as np
import torch
from fastapi import FastAPI, Request, Response, UploadFile
from PIL import Image

from limner.bundle import load_bundle

try:
    import litserve as litserve_package
except ModuleNotFoundError:
    litserve_package = None

_BATCH, _WAIT = 8, 0.01


class Network:
    """A bundle's network, used as a tutorial would."""

    def __init__(self, path: str) -> None:
        bundle = load_bundle(path)
        self.model, self.inputs = bundle.model.eval(), bundle.meta.inputs

    def read(self, data: bytes) -> np.ndarray:
        """A picture's pixels."""
        return np.array(Image.open(io.BytesIO(data)))

    def predict(self, pictures: list[np.ndarray]) -> list[np.ndarray]:
        """Masks of pictures of one size."""
        mean, std = torch.tensor(self.inputs.mean), torch.tensor(self.inputs.std)
        batch = torch.from_numpy(np.stack([one.reshape(*one.shape[:2], -1) for one in pictures])).float()
        batch = (((batch - self.inputs.low) / (self.inputs.high - self.inputs.low) - mean) / std).permute(0, 3, 1, 2)
        with torch.inference_mode():
            logits = self.model(batch)["mask"]
        return list((logits[:, 0] > 0).numpy().astype(np.uint8))

    def write(self, mask: np.ndarray) -> bytes:
        """A mask as PNG."""
        stream = io.BytesIO()
        Image.fromarray(mask).save(stream, "PNG")
        return stream.getvalue()


def plain(path: str, port: int) -> None:
    import uvicorn

    network, app = Network(path), FastAPI()

    @app.post("/predict")
    def predict(image: UploadFile) -> Response:
        picture = network.read(image.file.read())
        return Response(network.write(network.predict([picture])[0]), media_type="image/png")

    uvicorn.run(app, port=port, log_level="error")


class Api(litserve_package.LitAPI if litserve_package else object):  # type: ignore[misc]
    """LitServe's way; at the top of the module, since its workers are sent it by name."""

    def setup(self, device: str) -> None:
        """Of a worker."""
        self.network = Network(sys.argv[2])

    def decode_request(self, request: Request) -> np.ndarray:
        """Pixels of a request."""
        return self.network.read(request["image"].file.read())

    def batch(self, inputs):
        """As they are."""
        return inputs

    def predict(self, x):
        """Masks of a batch."""
        return self.network.predict(x)

    def unbatch(self, output):
        """As it is."""
        return output

    def encode_response(self, output: np.ndarray) -> Response:
        """A mask as PNG."""
        return Response(self.network.write(output), media_type="image/png")


def litserve(path: str, port: int) -> None:
    server = litserve_package.LitServer(Api(max_batch_size=_BATCH, batch_timeout=_WAIT), accelerator="cpu")
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="error")


if __name__ == "__main__":
    {"plain": plain, "litserve": litserve}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
