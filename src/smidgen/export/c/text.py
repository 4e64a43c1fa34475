"""Templates of generated C, and how a net's name and values come into them."""

import re
from collections.abc import Mapping
from importlib import resources

LICENCE = "/* SPDX-License-Identifier: 0BSD */\n"


def template(name: str) -> str:
    """Return the text of a file in templates/."""
    return (resources.files("smidgen.export.c") / "templates" / name).read_text(encoding="utf-8")


def named(text: str, net: str) -> str:
    """Return a template's text with the net's name in it."""
    forms = {"UPPER": net.upper(), "NAME": net}
    return re.sub(
        r"(?<![A-Za-z0-9])(UPPER|NAME)(?![A-Za-z0-9])", lambda match: forms[match[1]], text
    )


def filled(name: str, net: str, values: Mapping[str, str]) -> str:
    """Return a template with the net's name in it, and values where it says ``<KEY>``."""
    return filled_in(template(name), net, values)


def filled_in(text: str, net: str, values: Mapping[str, str]) -> str:
    """Return a template's text with the net's name in it, and values where it says ``<KEY>``."""
    return re.sub(r"<([A-Z_]+)>", lambda match: values.get(match[1], match[0]), named(text, net))
