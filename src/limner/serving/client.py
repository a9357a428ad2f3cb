"""The API from Python, with the standard library and what reads PNG.

Layer: serving. Imports no web library and no torch.

    import limner

    client = limner.Client("http://127.0.0.1:8000")
    prediction = client.predict("picture.png")
    prediction.mask  # height × width, class ids
"""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from limner.errors import DataError, LimnerError
from limner.images import decode_mask, encode_upload
from limner.inference.prediction import Prediction
from limner.types import Spacing

Given: TypeAlias = str | Path | bytes | np.ndarray
"""A picture: a file, a file's bytes, or pixels."""

_ANSWERS = ("mask", "uncertainty")
_LEVELS = 255.0


class ServerError(LimnerError):
    """The server did not do what was asked; the three parts are what it said.

    Attributes:
        status: Of HTTP; 0 where there was no answer.
        kind: What of Limner's errors it was at the server.
    """

    def __init__(self, status: int, kind: str, expected: str, found: str, remedy: str) -> None:
        super().__init__(expected, found, remedy)
        self.status, self.kind = status, kind


@dataclass(frozen=True, eq=False)
class Served(Prediction):
    """A prediction as it came from a server: probabilities and uncertainty have 8 bits.

    Attributes:
        document: All that the server said.
    """

    document: dict[str, Any] = field(default_factory=dict)


class Client:
    """Asks a server that `limner serve` runs.

    Args:
        url: Of the server.
        token: That it wants; empty for none.
        timeout: Seconds to wait for an answer.
        patience: Seconds for which a request is sent again while the server has no room for it.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", token: str = "", *, timeout: float = 120.0, patience: float = 60.0
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise DataError("a URL of http or https", f"'{url}'", "Such as http://127.0.0.1:8000.")
        self._url, self._token, self._timeout, self._patience = url.rstrip("/"), token, timeout, patience

    def health(self) -> dict[str, Any]:
        """Whether the server answers, and its version."""
        return dict(self._json("GET", "/health"))

    def models(self) -> list[dict[str, Any]]:
        """The models, and what they predict."""
        return list(self._json("GET", "/v1/models"))

    def predict(
        self,
        picture: Given | Mapping[str, Given],
        *,
        model: str | None = None,
        answers: Sequence[str] = _ANSWERS,
        spacing: Spacing | None = None,
        page: int | None = None,
    ) -> Served:
        """Predict one picture, or one sample of several.

        Args:
            picture: It; by name where the model has several inputs.
            model: Name of the model; by default the server's first.
            answers: What to ask for: mask, probabilities, rle, polygons, objects, uncertainty.
            spacing: Size of a pixel in mm, `(row, column)`.
            page: Of a file of several pages, from 0.

        Raises:
            ServerError: The server refused, or did not answer.
            DataError: The picture's file cannot be read.
        """
        given = picture if isinstance(picture, Mapping) else {"image": picture}
        files = [(part, *_file(one, part)) for part, one in given.items()]
        fields = {
            "model": model,
            "answers": ",".join(answers),
            "spacing": None if spacing is None else f"{spacing[0]!r},{spacing[1]!r}",
            "page": page,
        }
        return _prediction(self._json("POST", "/v1/predict", files, fields))

    def batch(
        self,
        pictures: Iterable[Given | Mapping[str, Given]],
        *,
        model: str | None = None,
        answers: Sequence[str] = ("mask",),
        spacing: Spacing | None = None,
    ) -> bytes:
        """Predict pictures, or samples of several: a zip of what `limner predict` writes; raises as `predict`."""
        files = _many(pictures)
        size = None if spacing is None else f"{spacing[0]!r},{spacing[1]!r}"
        return self._send("POST", "/v1/batch", files, {"model": model, "answers": ",".join(answers), "spacing": size})

    def rank(
        self, pictures: Iterable[Given | Mapping[str, Given]], *, model: str | None = None
    ) -> list[dict[str, Any]]:
        """Pictures, or samples, in the order in which annotating them is worth most; raises as `predict`."""
        return list(self._json("POST", "/v1/rank", _many(pictures), {"model": model})["pictures"])

    def save(
        self,
        picture: Given | Mapping[str, Given],
        mask: Given | Sequence[Given],
        name: str,
        *,
        target: str | None = None,
        replace: bool = False,
    ) -> str:
        """Save a picture with its mask at the server; gives the name it got there.

        Args:
            picture: It; by name where the model has several inputs.
            mask: Class ids; of a multilabel target a list of planes of 0 and 1, one for each class.
            name: To save it under.
            target: Whose mask it is; by default `mask`, or the model's first.
            replace: Whether to replace what has that name.

        Raises:
            ServerError: The server refused, or did not answer.
            DataError: A file cannot be read.
        """
        planes = mask if isinstance(mask, Sequence) and not isinstance(mask, str | bytes) else [mask]
        pictures = picture if isinstance(picture, Mapping) else {"image": picture}
        files = [(part, *_file(one, part)) for part, one in pictures.items()]
        files += [("mask", *_file(plane, "mask")) for plane in planes]
        fields = {"name": name, "target": target, "replace": "true" if replace else None}
        return str(self._json("POST", "/v1/dataset", files, fields)["name"])

    def _json(
        self,
        method: str,
        path: str,
        files: Sequence[tuple[str, str, bytes]] = (),
        fields: Mapping[str, Any] | None = None,
    ) -> Any:
        return json.loads(self._send(method, path, files, fields or {}))

    def _send(
        self, method: str, path: str, files: Sequence[tuple[str, str, bytes]], fields: Mapping[str, Any]
    ) -> bytes:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        body = None
        if method == "POST":
            body, headers["Content-Type"] = _form(
                files, {name: text for name, text in fields.items() if text is not None}
            )
        until = time.monotonic() + self._patience
        while True:
            request = urllib.request.Request(self._url + path, body, headers, method=method)  # noqa: S310 - http(s) alone
            try:
                with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310
                    return bytes(answer.read())
            except urllib.error.HTTPError as error:
                with error:
                    found = _server_error(error)
                wait = float(error.headers.get("Retry-After") or 1)
                if found.status != 503 or time.monotonic() + wait > until:
                    raise found from None
                time.sleep(wait)
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "reason", error)
                raise ServerError(
                    0, "NoAnswer", f"an answer of {self._url}", str(reason) or type(error).__name__,
                    "Check that the server runs, and its address.",
                ) from error  # fmt: skip


def _server_error(error: urllib.error.HTTPError) -> ServerError:
    try:
        said = json.loads(error.read())["error"]
        return ServerError(error.code, said["kind"], said["expected"], said["found"], said["remedy"])
    except (ValueError, KeyError, TypeError):
        return ServerError(
            error.code, "Unknown", "an answer of Limner's server", f"HTTP {error.code}", "Check the server's address."
        )


def _many(pictures: Iterable[Given | Mapping[str, Given]]) -> list[tuple[str, str, bytes]]:
    """The files of many samples: of the field `images`, or of each input's own."""
    return [
        (part, *_file(one, "image" if part == "images" else part))
        for given in pictures
        for part, one in (given if isinstance(given, Mapping) else {"images": given}).items()
    ]


def _file(given: Given, name: str) -> tuple[str, bytes]:
    """A file's name and bytes."""
    if isinstance(given, bytes):
        return name, given
    if isinstance(given, np.ndarray):
        suffix, data = encode_upload(given)
        return name + suffix, data
    try:
        return Path(given).name, Path(given).read_bytes()
    except OSError as error:
        raise DataError(f"'{given}' can be read", error.strerror or str(error), "Check the path.") from error


def _form(files: Sequence[tuple[str, str, bytes]], fields: Mapping[str, Any]) -> tuple[bytes, str]:
    """A form as RFC 7578 has it, and its content type."""
    border = secrets.token_hex(16)
    parts = []
    for name, text in fields.items():
        parts.append(f'Content-Disposition: form-data; name="{name}"\r\n\r\n{text}'.encode())
    for name, filename, data in files:
        quoted = filename.replace("\\", "\\\\").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        head = f'Content-Disposition: form-data; name="{name}"; filename="{quoted}"\r\n\r\n'
        parts.append(head.encode(errors="replace") + data)
    lines = b"".join(b"--" + border.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    return lines + b"--" + border.encode() + b"--\r\n", f"multipart/form-data; boundary={border}"


def _prediction(document: dict[str, Any]) -> Served:
    found = Served({}, {}, {}, document=document)
    for name, target in document["targets"].items():
        mask = target.get("mask")
        if isinstance(mask, list):
            found.masks[name] = np.stack([_picture(plane) for plane in mask], axis=-1).astype(np.uint8)
        elif mask is not None:
            found.masks[name] = _picture(mask)
        if (planes := target.get("probabilities")) is not None:
            found.probs[name] = np.stack([_picture(one) for one in planes["png"]]).astype(np.float32) / _LEVELS
        if (values := target.get("values")) is not None:
            share = _picture(values["png16"]).astype(np.float32) / 65_535
            found.values[name] = values["low"] + share * (values["high"] - values["low"])
        if (unsure := target.get("uncertainty")) is not None:
            found.uncertainty[name] = _picture(unsure).astype(np.float32) / _LEVELS
        if (dice := target.get("expected_dice")) is not None:
            numbers = np.full(max(map(int, dice), default=-1) + 1, np.nan)
            for index, number in dice.items():
                numbers[int(index)] = np.nan if number is None else number
            found.expected_dice[name] = numbers
    return found


def _picture(text: str) -> np.ndarray:
    return decode_mask(base64.b64decode(text), "the server's answer")
