"""The tax report on paper: how its pages look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from fpdf import FPDF
from fpdf.enums import Align, TableBordersLayout, XPos, YPos

_WIDTHS = (17, 17, 40, 30, 16, 34, 20, 20, 20, 20, 19, 24)
_HEADERS = ("Day", "Row", "Order", "Style", "Size", "Document", "Price", "Fees", "Payout", "Cost", "VAT", "Profit")
_LINE = 4.2
"""Height of a line of the report's rows, in millimetres."""


class Paper(FPDF):
    """A page with the report's name above and its number below; core fonts, so unknown letters become marks."""

    title_line = ""

    def header(self) -> None:
        """Write the name of the report."""
        self.set_font("helvetica", style="B", size=11)
        self.cell(0, 8, _latin(self.title_line), new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def footer(self) -> None:
        """Write the page's number."""
        self.set_y(-12)
        self.set_font("helvetica", size=7)
        self.cell(0, 6, f"Page {self.page_no()}", align=Align.R)

    def words(self, text: str) -> None:
        """Write a paragraph."""
        self.set_font("helvetica", size=8)
        self.multi_cell(0, 5, _latin(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def numbers(self, rows: list[list[str]]) -> None:
        """Write a table of a name and amounts."""
        self.ln(3)
        self.set_font("helvetica", size=7)
        columns = len(rows[0])
        aligns = tuple("RIGHT" if index else "LEFT" for index in range(columns))
        widths = (5, *(2 for _ in range(columns - 1)))
        layout = TableBordersLayout.HORIZONTAL_LINES
        with self.table(text_align=aligns, col_widths=widths, borders_layout=layout, line_height=4.2) as table:
            for cells in rows:
                line = table.row()
                for cell in cells:
                    line.cell(_latin(cell))

    def lines(self, rows: Iterable[list[str]]) -> int:
        """Write the report's rows under their headers, again on each page, and return how many there were.

        Cell by cell, as thousands take long.
        """
        number = 0
        for number, cells in enumerate(rows, start=1):
            if number == 1 or self.will_page_break(_LINE):
                self.add_page()
                self._line(_HEADERS, style="B")
            self._line(cells)
        return number

    def _line(self, cells: Sequence[str], style: Literal["", "B"] = "") -> None:
        self.set_font("helvetica", style=style, size=7)
        for at, (width, text) in enumerate(zip(_WIDTHS, cells, strict=True)):
            self.cell(width, _LINE, _latin(text), border="B", align=Align.L if at < 6 else Align.R)
        self.ln(_LINE)


def _latin(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")
