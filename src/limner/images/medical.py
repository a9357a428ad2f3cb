"""The packages of the extra `medical`, imported when the first such file is met.

Layer: images.
"""

from __future__ import annotations

import functools
import importlib
import threading
from typing import Any

from limner.errors import MissingExtra, install_line

_LOCK = threading.Lock()
_FOR = {"pydicom": "reads DICOM", "nibabel": "reads NIfTI", "highdicom": "writes DICOM segmentations"}


def import_medical(package: str) -> Any:
    """The package: pydicom, nibabel or highdicom.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        with _LOCK:  # a second thread waits until the first has registered the codecs
            return _imported(package)
    except ImportError as error:
        raise MissingExtra(
            f"the package that {_FOR[package]}, {package}, is installed",
            str(error),
            install_line("medical"),
        ) from error


@functools.cache
def _imported(package: str) -> Any:
    module = importlib.import_module(package)
    if package == "pydicom":
        from limner.images import dicom_codecs

        dicom_codecs.register()
    return module
