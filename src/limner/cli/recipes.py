"""`limner recipes`: what published projects can be repeated.

Layer: cli.
"""

from __future__ import annotations

from typing import Annotated

import typer

from limner.cli.options import AsJson

NAME = "recipes"


def run(
    name: Annotated[str | None, typer.Argument(help="Print the settings file of this one.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """List the published projects that `limner train --recipe NAME DATA` repeats."""
    from limner.cli.console import output, print_json
    from limner.config import describe_recipe, recipe_names, recipe_path

    if name is not None:
        text = recipe_path(name).read_text(encoding="utf-8")
        print_json({"name": name, "settings": text}) if as_json else output().print(text, end="")
        return
    recipes = {name: describe_recipe(name) for name in recipe_names()}
    if as_json:
        print_json({name: recipe.model_dump() for name, recipe in recipes.items()})
        return
    width = max(map(len, recipes))
    for known, recipe in recipes.items():
        output().print(f"{known:<{width}}  {recipe.summary}")
    output().print(
        "\nTry one:  limner sample NAME pictures  and then  limner train --recipe NAME pictures\n"
        "Change one:  limner recipes NAME > my.yaml  and then  limner train --config my.yaml DATA"
    )
