"""A table as a LaTeX ``tabular`` for the booktabs package."""

from __future__ import annotations

from tabulate import tabulate

from vgg_profile.core.forms import Table
from vgg_profile.write.cells import alignments, cell_text, total_texts

_NEEDS = r"""% needs \usepackage{booktabs}
% wider than the page: \resizebox{\linewidth}{!}{\input{FILE}}, with \usepackage{graphicx}
% higher than a slide of Beamer's: \resizebox*{!}{0.8\textheight}{\input{FILE}}
"""

_SIGNS = {"|": r"\textbar{}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}"}
"""What tabulate leaves as it is, and LaTeX's first encoding prints as something else."""


def to_latex(table: Table) -> str:
    r"""A ``tabular`` to ``\input``; title and footnotes stand as comments around it."""
    rows: list[list[str]] = [[cell_text(cell) for cell in row] for row in table.rows]
    if table.total is not None:
        rows.append(total_texts(table))
    body = tabulate(
        rows,
        headers=[column.label.replace("\n", " ") for column in table.columns],
        tablefmt="latex_booktabs",
        colalign=alignments(table),
        disable_numparse=True,
    )
    for sign, command in _SIGNS.items():
        body = body.replace(sign, command)
    # a line that opens with a bracket would be taken for an option of the rule or line end before it
    lines = [f"{{}}{line}" if line.lstrip().startswith("[") else line for line in body.splitlines()]
    if not rows:  # tabulate knows no columns then, and LaTeX takes no table without
        lines[0] = rf"\begin{{tabular}}{{{''.join(side[0] for side in alignments(table))}}}"
    if table.total is not None:
        lines.insert(-3, r"\midrule")
    comments = "".join(f"% {line}\n" for line in table.footer)
    answer = f"% {table.answer}\n" if table.answer else ""
    return f"{answer}% {table.title}\n{_NEEDS}" + "\n".join(lines) + f"\n{comments}"
