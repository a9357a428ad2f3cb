"""YAML as version 1.2 reads plain words, which is how people mean them.

Layer: config.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_DEEPEST = 50  # levels; settings have five
_MOST = 100_000  # values, those that aliases repeat counted as often as they stand for


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain scalars. By 1.1's rules, `70:15:15` is a number, `1e-3` and `no` are not what they seem."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As in PyYAML, which otherwise goes as deep as a file wants."""
        self.depth += 1
        if self.depth > _DEEPEST:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, f"nested more than {_DEEPEST} levels deep", mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    """Quotes text that `_Loader` would take for a number."""


_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
)
_PLAIN = {
    "null": (re.compile(r"~$|null$|Null$|NULL$|$"), ["~", "n", "N", ""]),
    "bool": (re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    "int": (re.compile(r"[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789")),
    "float": (_FLOAT, list("-+.0123456789")),
    "merge": (re.compile(r"<<$"), ["<"]),
}
_Loader.yaml_implicit_resolvers = {}
for _name, (_pattern, _first) in _PLAIN.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _pattern, _first)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", *_PLAIN["float"])


def dump_yaml(values: Any) -> str:
    """Values as YAML that `parse_yaml` reads back."""
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def parse_yaml(text: str) -> tuple[Any, Any]:
    """Value and root node of one YAML document."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is not None and _size(node, {}) > _MOST:
            problem = f"aliases make it more than {_MOST:,} values"
            raise yaml.composer.ComposerError(None, None, problem, node.start_mark)
        return (None if node is None else loader.construct_document(node)), node
    finally:
        loader.dispose()


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Values in and below a node; of one that aliases repeat it is worked out once."""
    if id(node) not in known:
        known[id(node)] = _MOST  # of one that holds itself
        below = node.value if isinstance(node, yaml.CollectionNode) else []
        parts = (part for item in below for part in (item if isinstance(item, tuple) else (item,)))
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]
