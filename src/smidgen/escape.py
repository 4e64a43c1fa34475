"""Text from outside made harmless where it is written: one function for each language."""

import html as _html
import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

LEFT_TO_RIGHT = "\u200e"  # ends a name that runs to the left before a number
_TURNING = frozenset("\u202a\u202b\u202d\u202e\u2066\u2067\u2068")
_JOINERS = "\u200c\u200d"  # no signs of their own, but part of words and of pictures of people
_UNFIT_FOR_XML = re.compile("[\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_UNFIT_FOR_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_BYTES = re.compile("[\udc80-\udcff]+")  # how Python keeps those of a path that it cannot read
_BARE = re.compile(r"(?i)(?<=www)\.|:(?=//)")  # where what others make a link begins
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_PLAIN = frozenset("-_.,:;/+*=()[]{}<>@#%&!'|^~ ")  # of ASCII, in a string of C as they are


def terminal(text: str) -> str:
    """Return text for a line on a terminal.

    What would move the cursor or turn words around is shown as its number.
    """
    return "".join(c if c.isprintable() or c in _JOINERS else _number(c) for c in text)


def c_comment(text: str) -> str:
    """Return text for the inside of a comment of C or C++, on one line."""
    plain = terminal(text).replace("??/", "? ?/")  # a backslash, to old compilers
    return plain.replace("*/", "* /").replace("/*", "/ *")


def c_string(text: str) -> str:
    """Return text as a string of C or C++, in quotes, its bytes those of UTF-8 of :func:`whole`."""
    signs = whole(text).encode()
    return '"' + "".join(_c_sign(sign) for sign in signs) + '"'


def html(text: str) -> str:
    """Return text for HTML or SVG, as an element's content or inside a quoted attribute.

    What would turn the words that follow around is shown as its number.
    """
    plain = (_number(c) if c in _TURNING else c for c in text if c in "\t\n" or _in_xml(c))
    return _html.escape("".join(plain), quote=True)


def json_in_page(value: Any) -> str:
    """Return a value as JSON for the inside of a script element: no tag or comment can end it.

    Raises:
        ValueError: If a number is not finite, which JSON has no word for.
    """
    text = json.dumps(value, allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def json_as_yaml(value: Any) -> str:
    """Return a value as JSON that YAML reads as the same, and a text as Python does as well.

    To both a pair of surrogates, as JSON may spell an emoji, is two signs.
    """
    text = json.dumps(value, ensure_ascii=False)
    return _UNFIT_FOR_YAML.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


def markdown(text: str, *, links: bool = False) -> str:
    """Return text for the inside of a line, or a table's cell, of Markdown.

    Args:
        text: Of anybody.
        links: Whether an address that stands bare in it may become a link, as GitHub and others
            make of one: not in a stranger's text.
    """
    plain = terminal(text).replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    plain = re.sub(r"([`*|~])", r"\\\1", plain)
    plain = re.sub(r"\](?=[(\[:])", r"\\]", plain)  # no link
    plain = plain if links else _BARE.sub(lambda sign: f"&#{ord(sign[0])};", plain)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", plain)  # inside a word it is plain


def cell(text: str) -> str:
    """Return text for a cell of a table that a spreadsheet opens, where it starts no formula."""
    return "'" + text if text.startswith(_FORMULA) else text


def whole(text: str) -> str:
    """Return text that UTF-8 can hold.

    Bytes of a path that Python could not read, as all but ASCII in some locales, are read as UTF-8.
    Those that are none become a backslash, x and two digits, so that two names stay two; other
    surrogates become U+FFFD.
    """
    text = _BYTES.sub(
        lambda run: run[0].encode("ascii", "surrogateescape").decode("utf-8", "backslashreplace"),
        text,
    )
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def toml(value: str | int | float | Sequence[Any]) -> str:
    """Return a text, a number, a truth value or a list of them for the right side of TOML's =."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)  # inf and nan are TOML's words too
    if not isinstance(value, str):
        return f"[{', '.join(map(toml, value))}]"
    plain = whole(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if _in_toml(c) else f"\\U{ord(c):08X}" for c in plain) + '"'


def shell(words: Sequence[str]) -> str:
    """Return the words of a command as a line for a POSIX shell, without control characters."""
    return " ".join(map(_shell_word, words))


def shell_lines(page: str) -> list[list[str]]:
    """Return the words of each command that stands in a page as :func:`html` of :func:`shell`.

    Lines with a word of control characters, ``$'...'``, are left out.
    """
    lines = _html.unescape(page).split("\n")
    return [shlex.split(line) for line in lines if "$'" not in line]


def _shell_word(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    named = all("\udc80" <= c <= "\udcff" for c in word if "\ud800" <= c <= "\udfff")
    signs = word.encode("utf-8", "surrogateescape" if named else "surrogatepass")  # as in a path
    plain = "".join(
        chr(s) if chr(s).isascii() and chr(s).isprintable() and s not in b"\\'" else f"\\x{s:02x}"
        for s in signs
    )
    return f"$'{plain}'"


def _number(sign: str) -> str:
    point = ord(sign)
    return f"\\x{point:02x}" if point < 256 else f"\\u{point:04x}"  # noqa: PLR2004


def _c_sign(sign: int) -> str:
    sign_of_text = chr(sign)
    if sign_of_text.isascii() and (sign_of_text.isalnum() or sign_of_text in _PLAIN):
        return sign_of_text
    return f"\\{sign:03o}"  # three digits: none that follow can be taken for a fourth


def _in_xml(sign: str) -> bool:
    return sign >= " " and not _UNFIT_FOR_XML.fullmatch(sign)


def _in_toml(sign: str) -> bool:
    return sign >= " " and sign != "\x7f"
