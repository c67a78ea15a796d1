"""The texts that one run has read: each file once, cut into documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from svcform.diagnostics import Location

_marker = re.compile(r"^(?=---(?:\s|$))", re.MULTILINE)
_line_breaks = re.compile(r"\r(?!\n)|[\x85\u2028\u2029\ufeff]")
_blank = re.compile(r"(?: *(?:#[^\n]*)?(?:\r?\n|$))*")


class Chunk(NamedTuple):
    """A piece of a file that holds whole documents: its text, and the lines before it."""

    text: str
    lines_before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A text and what it is called.

    ``name`` is what an Origin's ``file`` holds; ``file`` is what a person is shown.  ``template``
    is the text of the ``.j2`` file that ``text`` was rendered from, or None.
    """

    name: str
    file: str
    text: str = field(repr=False)
    template: str | None = field(default=None, repr=False)
    json: bool = False

    def chunks(self) -> Iterator[Chunk]:
        """The text in pieces that can be read one by one, mostly one document each."""
        if self.is_one_piece:
            yield Chunk(self.text, 0)
            return
        line = 0
        for number, piece in enumerate(_marker.split(self.text)):
            if number or not _blank.fullmatch(piece):
                yield Chunk(piece, line)
            line += piece.count("\n")

    def chunk_of(self, document: int) -> tuple[Chunk, int] | None:
        """The piece that holds a document, and which of the piece's documents it is."""
        chunks = list(self.chunks())
        if self.is_one_piece and chunks:
            return chunks[0], document
        return (chunks[document], 0) if document < len(chunks) else None

    @property
    def is_one_piece(self) -> bool:
        """Whether only a YAML parser can tell where the documents begin.

        Where a directive, a document end, an exotic line break or a byte order mark is in a file, a
        `---` at the begin of a line is not all there is to a boundary.
        """
        if self.json or self.text.startswith(("%", "...")):
            return True
        # Finding a plain text is 20 times faster than a regular expression.
        if "\n%" in self.text or "\n..." in self.text:
            return True
        if self.text.isascii() and "\r" not in self.text:
            return False
        return _line_breaks.search(self.text) is not None

    def location(self, line: int, column: int) -> Location:
        """The place of a line and a column of ``text``, both from 0.

        In a rendered template it is the line of the template that came through unchanged; for a
        line that the template made, the template as a whole.
        """
        if self.template is None:
            return Location(self.file, line + 1, column + 1)
        rendered = self.text.splitlines()
        wanted = rendered[line] if line < len(rendered) else ""
        same = [number for number, text in enumerate(self.template.splitlines()) if text == wanted]
        if len(same) == 1:
            return Location(self.file, same[0] + 1, column + 1)
        return Location(self.file)
