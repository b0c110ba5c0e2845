"""What an optimizer allocates in its step."""

from __future__ import annotations

from collections.abc import Sequence

from vgg_profile.core.events import Category, Storage
from vgg_profile.core.setting import Setup
from vgg_profile.core.sizes import FLOAT32, NOTHING, Bytes
from vgg_profile.predict.vgg.tape import Tape
from vgg_profile.predict.vgg.tensors import which

STEP_COUNT_BYTES = 4
"""Adam counts its steps in a float32 scalar a parameter: on the CPU, or where a fused step reads it."""


class Optimizer:
    """What ``torch.optim`` allocates: a state for every parameter, and temporaries in each step.

    Source: ``torch/optim/sgd.py`` and ``adam.py`` (AdamW is Adam there): ``_single_tensor_adam``,
    ``_multi_tensor_adam``, ``_fused_adam``; which one, ``_default_to_fused_or_foreach`` in ``optimizer.py``.
    """

    def __init__(self, tape: Tape, setup: Setup, weights: Sequence[Storage]) -> None:
        self.tape = tape
        self.setup = setup
        self.weights = weights
        """Those that are trained, in the order of ``model.parameters()``."""

    def make_state(self) -> None:
        """One momentum a parameter, or Adam's two moments and its count of steps."""
        for weight in self.weights:
            if self.setup.optimizer == "momentum":
                self._make("clone", weight, "momentum", weight.size)
            elif self.setup.optimizer.startswith("adam"):
                if self.tape.device == "cpu" or self.setup.fused:
                    self._make("zeros", weight, "step count", Bytes(STEP_COUNT_BYTES, 0))
                self._make("zeros_like", weight, "first moment", weight.size)
                self._make("zeros_like", weight, "second moment", weight.size)

    def _make(self, op: str, weight: Storage, what: str, size: Bytes) -> None:
        self.tape.layer = weight.layer
        self.tape.allocate(op, Storage(weight.layer, which(what, weight.what), Category.OPTIMIZER, size))

    def step(self) -> None:
        """SGD works in place. Adam's denominator is a tensor: ``sqrt(second moment) / correction + eps``.

        A fused step computes it value by value, and takes nothing (``ATen/native/cuda/FusedAdamKernel.cu``).
        """
        if self.setup.first_step:
            self.make_state()
        elif self.setup.optimizer == "momentum" and not self.setup.fused:
            self._number_for_each("mul_", self.tape.itemsize)
        if not self.setup.optimizer.startswith("adam"):
            return
        if self.setup.fused:
            self._number_for_each("_foreach_add_", FLOAT32)  # 1 to each count of steps
        elif self.setup.foreach:
            self._divide_together()
        else:
            self._divide_one_by_one()

    def _number_for_each(self, op: str, itemsize: int) -> None:
        """An operation in place with a Python number, parameter by parameter."""
        for weight in self.weights:
            self.tape.layer = weight.layer
            self.tape.work(op, self.tape.number(itemsize))

    def _divide_one_by_one(self) -> None:
        """Two temporaries a parameter; Python keeps the last ``denom`` until the name is bound again."""
        previous: list[Storage] = []
        for weight in self.weights:
            self.tape.layer = weight.layer
            root, denominator = self._temporary(weight, "root"), self._temporary(weight, "denom")
            self.tape.allocate("sqrt", root)
            correction = self._correction()
            self.tape.allocate("div", denominator, *correction)
            self.tape.release("release", [root, *correction, *previous])
            previous = [denominator]
        self.tape.release("release", previous)

    def _divide_together(self) -> None:
        """The roots of all parameters at once, then divided in place: as much again as the weights.

        They stand in a Python list, which lets go of its last item first.
        """
        roots = [self._temporary(weight, "root") for weight in self.weights]
        for root in roots:
            self.tape.layer = root.layer
            self.tape.allocate("_foreach_sqrt", root)
        correction = self._correction()
        self.tape.allocate("_foreach_div_", *correction)
        self.tape.release("release", [*correction, *reversed(roots)])

    def _correction(self) -> list[Storage]:
        """The bias correction, a Python number, as the division reads it."""
        size = self.tape.number(self.tape.itemsize)
        return [Storage(self.tape.layer, "correction", Category.TEMPORARY, size)] if size != NOTHING else []

    def _temporary(self, weight: Storage, what: str) -> Storage:
        return Storage(weight.layer, what, Category.TEMPORARY, weight.size)
