"""Templates of generated C, and how a net's name and values come into them."""

import re
from collections.abc import Mapping
from importlib import resources

LICENCE = "/* SPDX-License-Identifier: 0BSD */\n"


def template(name: str) -> str:
    """Return the text of a file in templates/."""
    return (resources.files("smidgen.export.c") / "templates" / name).read_text()


def named(text: str, net: str) -> str:
    """Return a template's text with the net's name in it."""
    return text.replace("UPPER", net.upper()).replace("NAME", net)


def filled(name: str, net: str, values: Mapping[str, str]) -> str:
    """Return a template with the net's name in it, and values where it says ``<KEY>``."""
    text = named(template(name), net)
    return re.sub(r"<([A-Z_]+)>", lambda match: values.get(match[1], match[0]), text)
