"""Licences as the hub spells them: it takes no other identifiers."""

import difflib
import re

OTHER = "other:"  # before the name of a licence that the hub has no identifier for
LIST = "https://huggingface.co/docs/hub/repositories-licenses"
_UNKNOWN = "unknown"  # the hub's word for: nothing is said
_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]{0,49}")
_LISTED = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m
bigscience-bloom-rail-1.0 bigcode-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause
bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0
cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0
cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0
etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc
h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl
openmdw-1.0 openmdw-1.1 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl
lgpl-lr deepfloyd-if-license fair-noncommercial-research-license llama2 llama3 llama3.1
llama3.2 llama3.3 llama4 grok2-community gemma unknown
"""
_IDENTIFIERS = frozenset(_LISTED.split())


def require_licence(licence: str | None) -> None:
    """Refuse what the hub would not take for a licence.

    Raises:
        ValueError: Naming the nearest identifiers that it does take.
    """
    if licence is None or licence in _IDENTIFIERS:
        return
    if licence.startswith(OTHER) and _NAME.fullmatch(licence.removeprefix(OTHER)):
        return
    close = difflib.get_close_matches(licence[:100].lower(), sorted(_IDENTIFIERS))
    meant = (
        f"did you mean {' or '.join(map(repr, close))}? Others are in {LIST}"
        if close
        else f"see {LIST}"
    )
    raise ValueError(
        f"a licence must be one that the hub knows, or {OTHER}NAME for another one (a-z, 0-9 and"
        f" . + -), got {licence!r}; {meant}"
    )


def fields(licence: str | None) -> dict[str, str]:
    """Return what the hub reads of a licence in the block above a card."""
    if licence is not None and licence.startswith(OTHER):
        return {"license": OTHER.removesuffix(":"), "license_name": licence.removeprefix(OTHER)}
    return {"license": licence or _UNKNOWN}
