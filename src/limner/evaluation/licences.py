"""Licences by the names that hubs of models know.

Layer: part of `evaluation`.
"""

from __future__ import annotations

import re

# Identifiers of https://huggingface.co/docs/hub/repositories-licenses that people give a model.
_LICENCES = frozenset(
    (
        *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "zlib", "unlicense", "wtfpl", "mpl-2.0"),
        *("gpl-2.0", "gpl-3.0", "lgpl-2.1", "lgpl-3.0", "agpl-3.0", "epl-2.0", "eupl-1.1", "openrail", "unknown"),
        *("cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-3.0", "cc-by-nc-4.0"),
        *("cc-by-nd-4.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"),
        *("odbl", "odc-by", "pddl"),
    )
)


def licence_metadata(licence: str) -> dict[str, str]:
    """A licence as hubs want it: an identifier they know, or `other` with a name; `unknown` where none was given."""
    known = licence.strip().lower()
    if not known or known in _LICENCES:
        return {"license": known or "unknown"}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", known).strip("-") or "other"}
