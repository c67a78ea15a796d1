"""Plain scalars that YAML 1.1 and YAML 1.2 read differently.

Kubernetes' reader follows YAML 1.1 (``yes`` is true, ``010`` is 8), most others follow 1.2: who
writes such a scalar without quotes can't know what is read.
"""

from __future__ import annotations

import re

# What PyYAML's resolver (YAML 1.1), go-yaml's (also `y`, `n`) and the core schema of 1.2 disagree
# on, and what a fast reader can't represent (integers beyond 64 bits, infinities).
_SCALAR = r"""(?:
  [yY](?:es)?|YES|[nN]o?|NO|[oO]n|ON|[oO]ff|OFF
 |[-+]?0[0-9_]+(?:\.[0-9_]*)?
 |[-+]?0[xobXOB][0-9a-fA-F_]+
 |[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?
 |[-+]?[0-9_]*\.?[0-9]*_[0-9_.]*(?:[eE][-+]?[0-9]+)?
 |[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+
 |[-+]?\.[0-9a-zA-Z_]+
 |[-+]?[0-9]{19,}
 |=
)"""
_END = r"(?=[ \t]*(?:$|[\r,\]}]|:(?:[\s,\[\]{}?]|$)|[ \t]\#))"
_ambiguous = re.compile(_SCALAR, re.X)
# A word that may need the slow reader: an ambiguous scalar, a merge key, or something that begins
# like a tag, an anchor or an alias.
_word = re.compile(rf"\n(?:(?:{_SCALAR}|<<):*\n|[!&*])", re.X)
_in_text = re.compile(
    rf"(?:^|[-:?](?=[ \t])|[,\[{{]|[\"']:)[ \t]*(?:(?:{_SCALAR}|<<){_END}|[!&*])", re.M | re.X
)
_flow = str.maketrans(",[]{}", "     ")


def is_ambiguous(scalar: str) -> bool:
    """Whether this plain scalar means different things to different readers of YAML."""
    return _ambiguous.fullmatch(scalar) is not None


def is_harmless(text: str) -> bool:
    """Whether no word of a whole file could be ambiguous, merge, or carry a tag or an anchor.

    False means only "look closer": see :func:`needs_slow_reader`.
    """
    if '":' in text or "':" in text:  # a scalar may follow without a space
        return False
    # One search through the distinct words is several times faster than one a word.
    words = "\n\n".join(set(text.translate(_flow).split()))
    return _word.search(f"\n{words}\n") is None


def needs_slow_reader(text: str) -> bool:
    """Whether something in a document's text may be ambiguous, a merge key, a tag or an anchor.

    May be wrong about what stands in a block of text or in quotes, never the other way round.
    """
    return _in_text.search(text) is not None
