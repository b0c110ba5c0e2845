"""The backward pass on paper: every node of a tape once, last created first.

A node allocates the gradients of its inputs, then its saved tensors and the gradient it was given are
released. Gradients of parameters stay, or are added to those of an earlier micro-batch, as soon as their node
has run (``AccumulateGrad`` comes before any other: ``accumulate_grad.h``); a second gradient for the same
tensor is added into the first, in place. Source: PyTorch's ``torch/csrc/autograd/engine.cpp`` and
``input_buffer.cpp``; for checkpoints ``torch/utils/checkpoint.py``, ``use_reentrant=False``.
"""

from __future__ import annotations

from itertools import chain

from vgg_profile.core.events import OF_THE_LOSS, Category, Phase, Storage
from vgg_profile.core.sizes import NOTHING
from vgg_profile.predict.kernels import GRADIENTS
from vgg_profile.predict.vgg.tape import Tape, let_go
from vgg_profile.predict.vgg.tensors import Checkpoint, Node, Tensor, which


def run_backward(tape: Tape, loss: Tensor) -> None:
    """Record the backward pass from a scalar loss; raises ``ValueError`` for one without a graph."""
    if loss.node is None:
        raise ValueError("the loss has no graph to go back through")
    root = Storage("loss", OF_THE_LOSS, Category.IN_FLIGHT, loss.storage.size)
    tape.begin(Phase.BACKWARD, "loss")
    tape.allocate("ones_like", root)
    root.holders += 1  # the caller of backward() keeps its root until the pass is over
    gradients = {id(loss.node): root}
    while tape.nodes:
        node = tape.nodes.pop()
        gradient = gradients.pop(id(node), None)
        if gradient is None:
            continue
        if node.layer != tape.layer:
            tape.begin(Phase.BACKWARD, node.layer)
        if node.block is not None:
            node = _run_again(tape, node, node.block)
        _run(tape, node, gradient, gradients)
    tape.release("release", [root])


def _run(tape: Tape, node: Node, gradient: Storage, gradients: dict[int, Storage]) -> None:
    """One node: the gradient of each input that wants one, handed on to the node that made the input."""
    name, blocks, temporaries = node.rule.node, node.rule.blocks, node.rule.temporaries
    made: dict[str, list[Storage]] = {}
    surplus: list[Storage] = []
    added: list[Storage] = []
    for place, tensor in enumerate(node.inputs):
        if not tensor.requires_grad:
            continue
        if node.rule.passes_gradient:
            incoming = gradient
            incoming.holders += 1
        else:
            is_kept = tensor.is_parameter and not tape.accumulates
            kind = Category.GRADIENTS if is_kept else Category.IN_FLIGHT
            of = tensor.storage.what if tensor.storage.layer == node.layer else "input"
            incoming = Storage(node.layer, which("gradient", of), kind, tensor.size, holders=1, of=of)
            made[GRADIENTS[place]] = [incoming]
            added += [incoming] * tensor.is_parameter
        if temporaries and temporaries[place] != NOTHING:
            work = Storage(node.layer, "temporary", Category.TEMPORARY, temporaries[place])
            tape.event(name, (*chain(*made.values()), work), (work,), blocks.unknown)
            made = {}
        if tensor.node is not None and gradients.setdefault(id(tensor.node), incoming) is not incoming:
            surplus.append(incoming)
    tape.kernel(name, blocks, made, let_go([gradient, *node.saved, *surplus]))
    if tape.accumulates:
        tape.release("add_", added)


def _run_again(tape: Tape, last: Node, block: Checkpoint) -> Node:
    """Run a checkpointed block again, keeping what its backward reads; returns the new last node."""
    first = len(tape.nodes) + 1 - block.nodes
    numbers = [storage for node in (*tape.nodes[first:], last) for storage in node.saved]
    del tape.nodes[first:]
    tape.needed_nodes = first + block.nodes - 1
    layer = tape.layer
    tape.phase = Phase.RECOMPUTE
    with tape.autocast(block.lowering):
        tape.drop(block.run(tape.hold(block.input)))
        # the block holds its input as long as any of its nodes has something to read; a cast has not
        last_reader = next((node for node in tape.nodes[first:] if node.saved), tape.nodes[first])
        last_reader.saved += (block.input.storage,)
        tape.needed_nodes = None
        tape.begin(Phase.BACKWARD, layer)
    tape.release("release", numbers)
    return tape.nodes.pop()
