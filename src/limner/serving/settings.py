"""What of the server may be set, and its limits.

Layer: serving. Imports no web library.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from limner.errors import ConfigError

TOKEN_LENGTH = 16
"""Fewest characters of a token."""


@dataclass(frozen=True)
class Settings:
    """Of one server.

    Attributes:
        host: Address to listen on.
        port: Likewise; 0 is any that is free.
        token: What clients must show; empty for none, which is refused for addresses that others reach.
        save: Folder into which pictures and masks may be saved; None for none.
        max_bytes: Of one request.
        max_pixels: Of one picture.
        max_pictures: Of one request.
        queue: Requests that may be under way at once; further ones are told to come again.
        batch: Pictures that are predicted together at most.
        latency: Seconds that a picture may wait for others to be predicted with.
        timeout: Seconds that one request may take.
        reload: Seconds between looks whether a bundle has changed.
        threads: Threads that decode pictures and encode answers.

    Raises:
        ConfigError: A number is out of range; or the address can be reached from other machines, and there is no
            token, or a short one.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str = ""
    save: Path | None = None
    max_bytes: int = 2**26
    max_pixels: int = 2**25
    max_pictures: int = 64
    queue: int = 64
    batch: int = 8
    latency: float = 0.01
    timeout: float = 60.0
    reload: float = 2.0
    threads: int = 2

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_pixels", "max_pictures", "queue", "batch", "timeout", "reload", "threads"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"a number above 0 for {name}", str(getattr(self, name)), "Correct it.")
        if not 0 <= self.latency <= 10:
            raise ConfigError("seconds from 0 to 10 for latency", f"{self.latency:g}", "Correct it.")
        if not 0 <= self.port < 2**16:
            raise ConfigError("a port from 0 to 65535", str(self.port), "Correct --port.")
        if not self.token and not self.local:
            raise ConfigError(
                f"a token, to listen on {self.host}, which other machines can reach",
                "none",
                "Set the variable LIMNER_TOKEN or add --token-file, or leave out --host to serve this machine alone.",
            )
        if self.token and (len(self.token) < TOKEN_LENGTH or not self.token.isascii() or not self.token.isprintable()):
            raise ConfigError(
                f"a token of {TOKEN_LENGTH} or more ASCII characters",
                f"one of {len(self.token)}" + ("" if self.token.isascii() else ", not all of them ASCII"),
                'Make one: python -c "import secrets; print(secrets.token_urlsafe())"',
            )

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def most_pixels(self) -> int:
        """Of all pictures under way together."""
        return 4 * self.max_pixels

    @property
    def most_bytes(self) -> int:
        """Of all requests under way together."""
        return 8 * self.max_bytes


def given_token(path: Path | None) -> str:
    """The token in a file, without white space around it; without a file that of LIMNER_TOKEN, or an empty text.

    Raises:
        ConfigError: It cannot be read, or is empty.
    """
    if path is None:
        return os.environ.get("LIMNER_TOKEN", "")
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"a token in '{path}'", str(error), "Give a file that can be read.") from error
    if not token:
        raise ConfigError(f"a token in '{path}'", "nothing", "Write one into it.")
    return token
