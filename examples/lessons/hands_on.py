"""What a lesson has to turn, and what it asks: one slider with its picture, and a question with hints.

With ipywidgets (`pip install '.[lessons]'`) the slider is there in Jupyter; without it, on a code host and
on paper, the picture is that of the setting that the lesson chose. Its figures are worked out by the lesson.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any, ClassVar

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

try:
    import ipywidgets
except ImportError:  # an extra: without it there is a picture and no slider
    ipywidgets = None

Figures = Mapping[str, float]
COLOURS = ("#0072b2", "#d55e00", "#009e73")
MARKERS = ("o", "s", "^")


class Turn:
    """A row of settings, the figures of each, and a slider that says which one is looked at.

    ``work`` gives the figures of a setting, by what they are: a line of the picture each.

    >>> turn = Turn("side", (2, 4), lambda side: {"places": side**2, "% of 64": 100 * side**2 / 64})
    >>> turn.to(4), turn.sentence
    (None, 'side 4: 16 places, 25.00 % of 64')
    """

    def __init__(
        self,
        what: str,
        choices: Sequence[Any],
        work: Callable[[Any], Figures],
        *,
        start: Any = None,
        unit: str = "",
    ) -> None:
        self.what, self.unit = what, unit
        self.figures = {choice: dict(work(choice)) for choice in choices}
        self.choice = choices[0] if start is None else start
        self.slider: Any = None
        self.view: Any = None
        if ipywidgets is not None:
            options = [(str(choice), choice) for choice in choices]
            whole = {"description_width": "initial"}  # else what is turned is cut off after a dozen letters
            self.slider = ipywidgets.SelectionSlider(
                options=options, value=self.choice, description=what, style=whole
            )
            self.image = ipywidgets.Image(value=self.png(), format="png")
            self.slider.observe(lambda change: self.to(change["new"]), "value")
            self.view = ipywidgets.VBox([self.slider, self.image])

    def to(self, choice: Any) -> None:
        """Look at another setting, as the slider does."""
        self.choice = choice
        if self.slider is None:
            return
        if self.slider.value != choice:
            self.slider.value = choice  # and the slider calls again
        else:
            self.image.value = self.png()

    @property
    def sentence(self) -> str:
        """What the picture says of the setting that is looked at."""
        its = self.figures[self.choice].items()
        figures = (
            f"{value:,} {name}" if isinstance(value, int) else f"{value:,.2f} {name}" for name, value in its
        )
        return f"{self.what} {self.choice}: {', '.join(figures)}"

    def figure(self) -> Figure:
        """Every setting as a place, every figure as a line; a band where the slider stands."""
        figure = Figure(figsize=(7.2, 3.2), layout="constrained")
        axes = figure.subplots()
        places = range(len(self.figures))
        names = list(next(iter(self.figures.values())))
        for name, colour, marker in zip(names, COLOURS, MARKERS, strict=False):
            axes.plot(
                places, [its[name] for its in self.figures.values()], marker, ls="-", c=colour, label=name
            )
        largest = [its[name] for its in self.figures.values() for name in names if its[name] > 0]
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
        if largest and max(largest) > 100 * min(largest):
            axes.set_yscale("log")
        here = list(self.figures).index(self.choice)
        axes.axvspan(here - 0.3, here + 0.3, color="#bbbbbb", alpha=0.4, zorder=0)
        axes.set_xticks(places, [str(choice) for choice in self.figures], rotation=45 * (len(places) > 9))
        axes.set(xlabel=self.what, ylabel=self.unit)
        axes.set_title(self.sentence, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
        return figure

    def png(self) -> bytes:
        """The picture."""
        file = BytesIO()
        FigureCanvasAgg(self.figure()).print_png(file)
        return file.getvalue()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        picture = {"image/png": b64encode(self.png()).decode(), "text/plain": self.sentence}
        return picture if self.view is None else {**self.view._repr_mimebundle_(), **picture}


class Check:
    """A question that is answered with a number: right, or a hint; the answer comes after the last hint.

    >>> check = Check("6 times 7?", 6 * 7, "It is more than 40.")
    >>> check(40), check(41), check(42)
    Not yet. Hint: It is more than 40.
    It is 42.
    Right: 42.
    (None, None, None)
    """

    tries: ClassVar[dict[str, int]] = {}
    """How often each question was answered wrongly: the cell that asks it is run again for every try."""

    def __init__(self, question: str, answer: int | str, *hints: str) -> None:
        self.question, self.answer, self.hints = question, answer, hints

    def __call__(self, mine: int | str | None = None) -> None:
        """Say what comes of an answer; without one, the question."""
        answer = f"{self.answer:,}" if isinstance(self.answer, int) else self.answer
        if mine is None:
            print(self.question)
        elif mine == self.answer:
            print(f"Right: {answer}.")
        else:
            tried = self.tries[self.question] = self.tries.get(self.question, 0) + 1
            if tried <= len(self.hints):
                print(f"Not yet. Hint: {self.hints[tried - 1]}")
            else:
                print(f"It is {answer}.")
