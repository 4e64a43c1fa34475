"""What is wrong with a command line, in words of ours, and what may have been meant by it."""

import re
from collections.abc import Collection, Sequence
from itertools import pairwise

from smidgen.escape import shell

_IN_THEIR_WORDS = re.compile(
    r"Invalid value for '(--[\w-]+)'.*?: Input should be (?:a )?(.+?)(?:,|$)"
)
_OURS = {"valid integer": "a whole number", "valid number": "a number"}
_NO_COMMAND = re.compile(r"No such command '(help|version)'")
_UNIT = re.compile(r"[kKmMgG]?i?[bB]|[kKmM]|ms|s|min|m|h")  # of an amount, without its number
_AMOUNT = re.compile(r"[\d.,]+")
_NO_SKIPPING = "No such option: --skip-broken"


def told(said: str, words: Sequence[str], verbs: Collection[str]) -> str:
    """Return what is wrong with a command line, and what may have been meant.

    Args:
        said: What the parser says of it.
        words: Of the command line.
        verbs: That there are.
    """
    if found := _IN_THEIR_WORDS.match(said):
        return _of_value(found, words)
    if found := _NO_COMMAND.match(said):
        return f"{found[0]}: `{shell(['smidgen', *_shows(found[1], words, verbs)])}` shows it"
    return f"{said}{_meant(said, words)}"


def _of_value(found: re.Match[str], words: Sequence[str]) -> str:
    """Return what the value of an option must be, with what was asked of it."""
    option, wanted = found[1], _OURS.get(found[2], found[2])
    values = [word.partition("=")[2] for word in words if word.startswith(f"{option}=")]
    values += [after for word, after in pairwise(words) if word == option]
    return f"{option} must be {wanted}{f', got {values[-1]!r}' if values else ''}"


def _shows(asked: str, words: Sequence[str], verbs: Collection[str]) -> list[str]:
    """Return what shows what was asked for as if it were a command, help or version."""
    if asked == "version":
        return ["--version"]
    return [*[word for word in words if word in verbs][:1], "--help"]


def _meant(said: str, words: Sequence[str]) -> str:
    """Return what may have been meant, if that is known; nothing if not."""
    place = next((n for n, word in enumerate(words) if not word.startswith("-")), 0)
    verb, after = [*words[place : place + 2], "", ""][:2]
    if said.startswith("Missing option '--data'") and after and not after.startswith("-"):
        return f" Did you mean {shell(['--data', after])}?"
    if said.startswith("Got unexpected extra argument"):
        for option, number, unit in zip(words, words[1:], words[2:], strict=False):
            if option.startswith("--") and _AMOUNT.fullmatch(number) and _UNIT.fullmatch(unit):
                return f": {option} {number}{unit} is written without a blank"
    if said.startswith(_NO_SKIPPING) and verb == "inspect-data":
        return f": {verb} always leaves broken pictures out, and says so"
    return ""
