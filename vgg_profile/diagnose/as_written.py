"""What PyTorch says of a model as it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vgg_profile.core.sizes import Shape
from vgg_profile.diagnose.run import Run
from vgg_profile.diagnose.words import IMAGES, Call, Subject


class AsWritten:
    """What PyTorch says of the model as it is written: in training, in eval mode, and with one image."""

    def __init__(self, subject: Subject, shape: Shape) -> None:
        self.subject = subject
        model = subject.model
        self.one: Run | None = None
        self.eval: Run | None = None
        self.how = ""
        model.train()
        self.first = Run(subject).start(shape)
        self.failed = self.first
        if self.first.error is None:
            model.eval()
            self.eval = self.failed = Run(subject).start(shape)
            self.how = " in eval mode"
            if self.eval.error is None:
                self.one = self.failed = Run(subject).start(shape, images=1)
                self.how = " with a batch of one image"
        if self.refused and self.first.error is None:
            self.first = self.failed
        else:
            model.train()

    @property
    def refused(self) -> bool:
        return self.failed.error is not None

    def calls(self, mended: Run) -> list[Call]:
        """The calls that the result comes of, in the run that went to the end."""
        run = mended if self.refused else self.first
        ends = [call for result in run.results if (call := run.call_of(result))] or run.calls[-1:]
        return [call for call in run.leading_to(*ends) if not call.is_inserted]

    def rows(self) -> Iterator[tuple[Call, str]]:
        """The call at which the batch's rows become others, and how many there are of an image."""
        if self.refused:
            return
        many = [tuple(result.shape) for result in self.first.results]
        for run in filter(None, (self.first, self.one)):
            images = run.images
            for place, result in enumerate(run.results):
                call = run.call_of(result)
                if result.dim() == 0 or result.shape[0] == images or call is None:
                    continue
                if _stands_elsewhere(tuple(result.shape), images, many[place : place + 1]):
                    continue
                changed = [
                    each
                    for each in run.leading_to(call)
                    if each.arriving[:1] == (images,) and each.output[:1] != (images,)
                ]
                if changed:
                    rows = changed[-1].output[0] if changed[-1].output else 0
                    yield changed[-1], _rows(rows, images)
                    return


def _stands_elsewhere(shape: Shape, images: int, many: Sequence[Shape]) -> bool:
    """Whether a batch of so many images has a dimension, as that of ``many`` has, though not the first."""
    return any(
        IMAGES in each and shape == tuple(images if side == IMAGES else side for side in each)
        for each in many
    )


def _rows(rows: int, images: int) -> str:
    if images == 1:
        return "a batch of one image loses its dimension"
    if rows % images == 0:
        return f"{rows // images} rows an image"
    return f"{rows} rows of {images} images"
