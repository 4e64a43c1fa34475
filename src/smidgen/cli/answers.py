"""Answers as rows of a CSV file, each in it as soon as it is known."""

import csv
import io
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any, final

from smidgen.cli.terminal import say, tell, warn
from smidgen.escape import cell, whole
from smidgen.files import write_whole
from smidgen.sizes import counted

STREAM = "-"  # of pictures, standard input; of rows, standard output
_END = "\r\n"  # of a row (RFC 4180)


@final
class CsvRows:
    """Writes a row a picture; what is in the file are whole rows, whatever ends the command.

    It is begun with the first answer: where there is none, what was there before stays.

    Args:
        place: The file, or ``-`` for standard output.
        top: Classes that are told of each picture.
        asked: Rows that there will be.
        sure: Whether rows say if the answer is sure.
    """

    def __init__(self, place: Path, top: int, asked: int, *, sure: bool = False) -> None:
        self.place, self.asked, self.written, self.answered = place, asked, 0, 0
        numbers = ["", *(f"_{rank}" for rank in range(2, top + 1))]
        self._places = [(f"class{number}", f"probability{number}") for number in numbers]
        answer = [name for pair in self._places for name in pair]
        self._columns = ["picture", *answer, *["sure"] * sure, "error"]
        self._file: FileIO | None = None
        self._unanswered: list[Mapping[str, Any]] = []  # before the first answer

    def __enter__(self) -> "CsvRows":
        return self

    def add(self, row: Mapping[str, Any]) -> None:
        """Write the row of a picture.

        Raises:
            OSError: Naming the file, if it cannot be written.
        """
        if not self.written and "error" in row:
            self._unanswered.append(row)
            return
        if not self.written:
            self._write({name: name for name in self._columns})
        for one in (*self._unanswered, row):
            best = one.get("top", [one] if "class" in one else [])
            values = {"picture": one["picture"], "error": one.get("error", "")}
            for (name, share), answer in zip(self._places, best, strict=False):
                values |= {name: answer["class"], share: answer["probability"]}
            if "sure" in one:
                values["sure"] = str(one["sure"]).lower()
            self._write({k: cell(whole(v)) if isinstance(v, str) else v for k, v in values.items()})
            self.written += 1
            self.answered += "error" not in one
        self._unanswered = []

    def _write(self, values: Mapping[str, Any]) -> None:
        text = io.StringIO()
        csv.DictWriter(text, self._columns, lineterminator=_END).writerow(values)
        if str(self.place) == STREAM:
            tell(text.getvalue().removesuffix(_END))
            return
        row = text.getvalue().encode()
        if self._file is None:
            self._file = FileIO(self.place, "w")
        write_whole(self._file, row)

    def __exit__(self, *_: object) -> None:
        if self._file is None:
            return
        self._file.close()
        asked = counted(self.asked, "picture", "pictures")
        if self.written == self.answered == self.asked:
            say(f"{self.place}: {asked}")
        elif self.written == self.asked:
            rows = counted(self.asked - self.answered, "row says", "rows say")
            say(f"{self.place}: {self.answered:,} of {asked}; {rows} why not")
        else:
            warn(f"{self.place}: {self.written:,} of {asked}")
