"""Write the reference pages from the code, so that they cannot drift from it.

    python docs/generate.py            write docs/reference/
    python docs/generate.py --check    exit 1 and name the pages that are stale

The settings come from the pydantic models of `limner.config`, the commands from the parser that
`limner.cli` builds.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from limner.cli import app
from limner.config import Config

REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Written by docs/generate.py: change the code, then run `make docs`. -->"

SETTINGS_INTRO = """\
Every setting has a section and a key. In a YAML file the key stands below its section; on the command line it
follows the data as `section.key=value`, and wins over the file:

```yaml
training:
  epochs: 20
  loss: ce+dice
```

```sh
limner train pictures/ --config recipe.yaml training.epochs=40 model.norm=instance
```

The section may be left out where one section alone has the key: `epochs=40`.
{shared}

Settings are checked strictly: an unknown key, a value of another type or out of range stops Limner before it reads
a picture, with the line of the file. **–** as default means not set: where a choice is needed, Limner plans it from
the data and the machine and writes it, with the reason, to `plan.yaml` in the run folder.

Editors can check a settings file as it is written: [settings.schema.json](settings.schema.json) is its JSON Schema."""

CLI_INTRO = """\
Progress, notes and errors go to standard error, results to standard output. With `--json` the result, or the error,
is one JSON document on standard output. `limner COMMAND --help` prints what this page says.

| Exit code | Meaning |
|--:|---|
| 0 | done |
| 1 | done in part, with what failed listed; or, with a traceback, a bug in Limner |
| 2 | something the user can mend: the message says what was expected, what was found, and what to do |
| 130 | interrupted |"""


def pages() -> dict[str, str]:
    """Text of every generated file, by its name in docs/reference/."""
    return {
        "settings.md": settings_page(),
        "settings.schema.json": json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False) + "\n",
        "cli.md": cli_page(),
    }


def settings_page() -> str:
    """Every section with a table of its keys."""
    schema = Config.model_json_schema()
    sections = {name: _definition(value, schema) for name, value in schema["properties"].items()}
    parts = ["# Settings", NOTE, SETTINGS_INTRO.format(shared=_shared_keys(sections))]
    for name, section in sections.items():
        rows = [
            (f"`{key}`", _kind(value), _default(value.get("default")), value["description"])
            for key, value in section["properties"].items()
        ]
        parts += [f"## {name}", section["description"], _table(("Key", "Value", "Default", "Meaning"), rows)]
    return "\n\n".join(parts) + "\n"


def _definition(value: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    definition: Mapping[str, Any] = schema["$defs"][value["$ref"].rpartition("/")[2]]
    return definition


def _shared_keys(sections: Mapping[str, Mapping[str, Any]]) -> str:
    counts = Counter(key for section in sections.values() for key in section["properties"])
    full = [
        f"`{name}.{key}`"
        for key, count in counts.items()
        if count > 1
        for name, section in sections.items()
        if key in section["properties"]
    ]
    return f"These need it: {', '.join(full)}."


def _kind(value: Mapping[str, Any]) -> str:
    """What a JSON Schema allows, in words."""
    if "anyOf" in value:
        return " or ".join(_kind(option) for option in value["anyOf"] if option.get("type") != "null")
    choices = value.get("enum") or ([value["const"]] if "const" in value else [])
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    if "prefixItems" in value:
        return "[" + ", ".join(_kind(item) for item in value["prefixItems"]) + "]"
    if value.get("type") == "array":
        return f"[{_kind(value.get('items', {}))}, …]"
    if isinstance(inner := value.get("additionalProperties"), dict):
        return f"{{name: {_kind(inner)}, …}}"
    if "$ref" in value:
        return "{key: value, …}"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true`, `false`"}
    return words.get(value.get("type", ""), "any value") + _range(value)


def _range(value: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {value[name]:,}" for name, sign in signs.items() if name in value]
    return " " + ", ".join(limits) if limits else ""


def _default(value: Any) -> str:
    return "–" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`".replace('"', "")


def commands() -> dict[str, Any]:
    """Every command by its full name, `limner` itself first."""
    root: Any = typer.main.get_command(app)
    return {"limner": root, **dict(_walk("limner", root))}


def _walk(name: str, group: Any) -> Iterator[tuple[str, Any]]:
    for verb, command in group.commands.items():
        if not command.hidden:
            yield f"{name} {verb}", command
            if hasattr(command, "commands"):
                yield from _walk(f"{name} {verb}", command)


def cli_page() -> str:
    """Every command with its usage, arguments and options."""
    found = commands()
    rows = [
        (f"[`{name}`](#{name.replace(' ', '-')})", _first_line(command.help))
        for name, command in found.items()
        if name != "limner"
    ]
    parts = ["# Command line", NOTE, CLI_INTRO, _table(("Command", "What it does"), rows)]
    for name, command in found.items():
        parts += _command(name, command)
    return "\n\n".join(parts) + "\n"


def _first_line(text: str | None) -> str:
    return inspect.cleandoc(text or "").split("\n\n")[0].replace("\n", " ")


def _command(name: str, command: Any) -> list[str]:
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    arguments = [parameter for parameter in shown if parameter.param_type_name == "argument"]
    options = [parameter for parameter in shown if parameter.param_type_name == "option"]
    words = [name, "[OPTIONS]", *(_argument(argument) for argument in arguments)]
    if hasattr(command, "commands"):
        words.append("COMMAND [ARGS]...")
    parts = [f"## {name}", inspect.cleandoc(command.help or ""), f"```\n{' '.join(words)}\n```"]
    if arguments:
        rows = [(f"`{_argument(argument)}`", argument.help or "") for argument in arguments]
        parts.append(_table(("Argument", "Meaning"), rows))
    rows = [(_option(option), _option_default(option), option.help or "") for option in options]
    if rows:
        parts.append(_table(("Option", "Default", "Meaning"), rows))
    return parts


def _argument(argument: Any) -> str:
    if argument.metavar:
        return str(argument.metavar)
    word = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return word if argument.required else f"[{word}]"


def _option(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    return names if option.is_flag else f"{names} `{option.metavar or option.name.upper()}`"


def _option_default(option: Any) -> str:
    if option.required:
        return "required"
    if option.default is None or option.default is False:
        return "–"
    return "on" if option.default is True else f"`{option.default}`"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or check them; returns the exit code."""
    parser = argparse.ArgumentParser(description=inspect.cleandoc(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is stale")
    check = parser.parse_args(arguments).check
    stale = False
    for name, text in pages().items():
        path = REFERENCE / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale = True
        if check:
            print(f"docs/reference/{name} is stale: run `make docs`.", file=sys.stderr)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote docs/reference/{name}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
