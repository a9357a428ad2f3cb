"""A request's pictures and choices, as multipart or as JSON.

Layer: serving.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from limner.data.spacing import parse_spacing
from limner.errors import did_you_mean
from limner.serving.refusals import Refusal, too_large, unprocessable
from limner.serving.settings import Settings
from limner.types import Spacing

_MOST_FIELDS = 32
_FIELD_BYTES = 4096
_NAME_LENGTH = 200


@dataclass(frozen=True)
class SentFile:
    """A file of a request.

    Attributes:
        field: Of the form.
        name: As the client called it, without its folders.
        data: All of it.
    """

    field: str
    name: str
    data: bytes


@dataclass(frozen=True)
class Sent:
    """What a request holds: files, and other fields as text."""

    files: list[SentFile] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)

    def check(self, files: tuple[str, ...] | None, fields: tuple[str, ...]) -> None:
        """Refuse fields that mean nothing.

        Args:
            files: Names of files there may be; None for any.
            fields: Names of other fields there may be.

        Raises:
            Refusal: There is another, or a text where a file should be.
        """
        for name in self.fields:
            if name not in fields:
                allowed = (*(files or ()), *fields)
                raise unprocessable(
                    f"the fields {', '.join(allowed)}", f"'{name[:100]}'" + (", a text" if name in allowed else ""),
                    f"{did_you_mean(name, allowed)}Correct its name, and send pictures as files.",
                )  # fmt: skip
        for sent in self.files:
            if files is not None and sent.field not in files:
                raise unprocessable(
                    f"files in {', '.join(files)}", f"one in '{sent.field[:100]}'", "Correct the field's name."
                )


async def read_request(request: Request, settings: Settings) -> Sent:
    """Read a request's body.

    Raises:
        Refusal: It is neither multipart nor JSON of the form that is described; too many files, or fields.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _read_form(request, settings)
    if kind == "application/json":
        return _from_json(await request.body())
    raise Refusal(
        415, "Unsupported", "multipart/form-data or application/json", f"'{kind[:100]}'" if kind else "no content type",
        "Send the picture as a form's file, such as curl -F image=@picture.png.",
    )  # fmt: skip


async def _read_form(request: Request, settings: Settings) -> Sent:
    try:
        # One more than allowed, so that the limit is told in Limner's words.
        form = await request.form(
            max_files=settings.max_pictures + 1, max_fields=_MOST_FIELDS, max_part_size=_FIELD_BYTES
        )
    except ClientDisconnect:
        raise
    except HTTPException as error:
        if "Too many files" in str(error.detail):
            raise _too_many(settings) from None
        raise Refusal(400, "Malformed", "a form as RFC 7578 has it", str(error.detail)[:200], "Correct it.") from None
    try:
        sent = Sent()
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                sent.files.append(SentFile(name, client_name(value.filename or ""), await value.read()))
            elif name in sent.fields:
                raise unprocessable(f"the field '{name[:100]}' once", "several", "Send one.")
            else:
                sent.fields[name] = value
    finally:
        await form.close()
    if len(sent.files) > settings.max_pictures:
        raise _too_many(settings)
    return sent


def _too_many(settings: Settings) -> Refusal:
    return too_large(f"at most {settings.max_pictures} files in a request", "more", "Send them in several requests.")


def client_name(name: str) -> str:
    """The last part of a client's name of a file, whatever system it is of, in characters that can be shown."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter if letter.isprintable() else "_" for letter in last)[:_NAME_LENGTH]


def _from_json(body: bytes) -> Sent:
    try:
        # Python's reader takes numbers that are none (NaN), which JSON has not.
        document = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refusal(400, "Malformed", "JSON", "something else", "Send an object, as RFC 8259 has it.") from None
    if not isinstance(document, dict):
        raise unprocessable("a JSON object", type(document).__name__, 'Send {"image": "…"} with the picture in base64.')
    sent = Sent()
    for name, value in document.items():
        if name == "image":
            pictures = value if isinstance(value, Mapping) else {"image": value}
            sent.files.extend(SentFile(part, "", _bytes(part, data)) for part, data in pictures.items())
        elif value is not None:
            sent.fields[name] = _text(name, value)
    return sent


def _no_number(text: str) -> Any:
    raise ValueError(text)


def _bytes(name: str, value: Any) -> bytes:
    if not isinstance(value, str):
        raise unprocessable(f"'{name[:100]}' as text in base64", type(value).__name__, "Encode the picture's file.")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise unprocessable(
            f"'{name[:100]}' in base64 (RFC 4648, section 4)",
            "other characters, or too few",
            "Encode the picture's file.",
        ) from None


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | list):
        raise unprocessable(f"'{name[:100]}' as text, number or list", type(value).__name__, "Correct it.")
    if isinstance(value, list):
        if not all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in value):
            raise unprocessable(f"'{name[:100]}' as a list of texts or numbers", "something else", "Correct it.")
        return ",".join(map(str, value))
    return str(value)


def choose_answers(text: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """What is asked for, in the order of `known`; without a word, the mask.

    Raises:
        Refusal: Something is asked for that is not known.
    """
    names = [name.strip() for name in (text or "mask").split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise unprocessable(
                f"answers of {', '.join(known)}", f"'{name[:100]}'", f"{did_you_mean(name, known)}Correct it."
            )
    return tuple(name for name in known if name in names)


def choose_spacing(text: str | None) -> Spacing | None:
    """Size of a pixel in mm.

    Raises:
        Refusal: It is none.
    """
    if not text:
        return None
    found = parse_spacing(text)
    if found is None:
        raise unprocessable(
            "spacing as a number of mm above 0, or two for row and column", f"'{text[:100]}'", "Such as 0.8,0.5."
        )
    return found


def choose_page(text: str | None) -> int | None:
    """The page of a file of several.

    Raises:
        Refusal: It is no number.
    """
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise unprocessable("a page's number, from 0", f"'{text[:100]}'", "Correct it.")
    return int(text)
