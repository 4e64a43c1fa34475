"""Names of one net in C: whatever its source defines begins with its name, so that many fit."""

import re

_TOKENS = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|(?<!\w)[A-Za-z_]\w*", re.DOTALL
)
_DEFINED = (
    re.compile(r"^ *# *define (\w+)", re.MULTILINE),
    re.compile(r"^typedef [^;{]*?(\w+)(?:\[[^\n]*\])?(?: __attribute__[^\n]*)?;", re.MULTILINE),
    re.compile(r"^\} (\w+);", re.MULTILINE),
    re.compile(
        r"^(?:[A-Z][A-Z0-9]* |__attribute__\(\([^\n]*?\)\) )*static [^=\n;]*?(\w+)\((?!\*)(?!\()",
        re.MULTILINE,
    ),
    re.compile(r"^static [^=\n;(]*?(\w+)\[[^\n]*\](?: = |;)", re.MULTILINE),
    re.compile(r"^static void \(\*const (\w+)\[", re.MULTILINE),
)
_FOR_ALL = {"LANES_CHOSEN": "LANES"}  # what a compiler's option says to all nets alike
_CHOSEN = re.compile(r"^enum \{ ([^}]*) \};", re.MULTILINE)


def prefixed(source: str) -> str:
    """Return C in which every name that it defines for the whole file begins with the net's.

    That is still ``NAME`` or ``UPPER``, so a net may be called as anything that it defines. Local
    names and members that are called the same are renamed with them: they still agree.
    """
    found = {name for pattern in _DEFINED for name in pattern.findall(source)}
    found |= {name for names in _CHOSEN.findall(source) for name in names.split(", ")}
    ours = {name for name in found if not name.startswith(("NAME_", "UPPER_", "__"))}

    def renamed(match: re.Match[str]) -> str:
        name = match[0]
        if name not in ours:
            return _FOR_ALL.get(name, name)
        return f"UPPER_{name}" if name.isupper() else f"NAME_{name}"

    return _TOKENS.sub(renamed, source)
