"""Weights for a network on the meta device: from a checkpoint of one's own, or published with torchvision.

A checkpoint is never run: it is read as tensors, or refused with the reason. ``BASE_URL`` and the names in
``PUBLISHED`` are torchvision's (``torchvision/models/vgg.py``).
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from errno import EINVAL
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vgg_profile.core.errors import InputError, excerpt
from vgg_profile.core.units import shape
from vgg_profile.predict.vgg.configs import Config
from vgg_profile.predict.vgg.configs import config as find_config

BASE_URL = "https://download.pytorch.org/models/"

PUBLISHED: dict[Config, str] = {
    find_config("A"): "vgg11-8a719046.pth",
    find_config("A-BN"): "vgg11_bn-6002323d.pth",
    find_config("B"): "vgg13-19584684.pth",
    find_config("B-BN"): "vgg13_bn-abd245e5.pth",
    find_config("D"): "vgg16-397923af.pth",
    find_config("D-BN"): "vgg16_bn-6c64b313.pth",
    find_config("E"): "vgg19-dcbb9e9d.pth",
    find_config("E-BN"): "vgg19_bn-c79401a0.pth",
}
"""The published weights under ``BASE_URL``; a file's name ends with the start of its SHA-256."""

Weights = str | Path | None

_A_LOCAL_FILE = "a checkpoint of your own loads with weights=PATH."


def read_checkpoint(weights: object, device: torch.device) -> tuple[str, dict[Any, Any]]:
    """The tensors of a local checkpoint, and what to call it; raises ``InputError`` for what is none."""
    if not isinstance(weights, (str, Path)):
        what = type(weights).__name__
        raise InputError(f"The weights cannot be a {what}.", 'Give a path, or "published".')
    path = Path(weights)
    source = f"the file {excerpt(str(path), 200)}"
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is not a regular file")
        content = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise InputError(
            f"The weights cannot be read from {source}: {_reason(error)}.",
            "Check the path; torch.save(net.state_dict(), PATH) writes such a file"
            ' and weights="published" fetches one.',
        ) from None
    return source, _tensors(content, source)


def fetch_published(config: Config, device: torch.device) -> tuple[str, dict[Any, Any]]:
    """The published tensors of a network, fetched once into torch's cache, and what to call them.

    What is loaded is hashed, wherever it came from: the very bytes of the open file.

    Raises ``InputError`` where none are published, or they cannot be fetched.
    """
    name = PUBLISHED.get(config)
    if name is None:
        raise InputError(_unpublished(config), f"Leave weights out to start afresh; {_A_LOCAL_FILE}")
    url = BASE_URL + name
    cached = Path(torch.hub.get_dir(), "checkpoints", name)
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        if not cached.exists():
            sys.stderr.write(f"Downloading: {url}\n")
            with redirect_stdout(sys.stderr):  # where torch shows how far it came
                torch.hub.download_url_to_file(url, str(cached), _digest(name), progress=True)
        with cached.open("rb") as file:
            if not hashlib.file_digest(file, "sha256").hexdigest().startswith(_digest(name)):
                raise OSError("invalid hash value: the file is not the published one")
            file.seek(0)
            content = torch.load(file, map_location=device, weights_only=True)
    except Exception as error:
        first = f"Delete {cached}" if cached.exists() else "Check the network"
        raise InputError(
            f"The published weights cannot be loaded from {url}: {_reason(error)}.",
            f"{first} and try again; {_A_LOCAL_FILE}",
        ) from None
    return url, _tensors(content, url)


def _digest(name: str) -> str:
    """The start of the SHA-256 of a published file, as its name has it."""
    return name.rpartition("-")[2].removesuffix(".pth")


def _unpublished(config: Config) -> str:
    if replace(config, classes=1000) in PUBLISHED:
        return f"The published weights are for 1,000 classes, and this network has {config.classes:,}."
    labels = ", ".join(published.label for published in PUBLISHED)
    return f"There are no published weights for {excerpt(config.label)}, only for {labels} of the paper."


def _tensors(content: object, source: str) -> dict[Any, Any]:
    """Look into a checkpoint, and into its ``state_dict`` if it wraps one."""
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if isinstance(content, dict) and any(isinstance(value, Tensor) for value in content.values()):
        return content
    raise InputError(
        f"The weights cannot be read: {source} holds no dict of tensors but a {type(content).__name__}.",
        "Save one with torch.save(net.state_dict(), PATH).",
    )


def _reason(error: Exception) -> str:
    """Why, in one clause, and without torch's advice to run the file all the same."""
    asked = re.search(r"GLOBAL (\S+) was|whose module (\S+) is blocked", str(error))
    if asked:
        return f"it asks for {excerpt(asked[1] or asked[2])}, which is no tensor, and was not run"
    tells = isinstance(error, (OSError, HTTPException, torch.OutOfMemoryError))
    lost = getattr(error, "errno", None) == EINVAL  # torch sought the end of a zip file before its beginning
    if (tells and not lost) or "invalid hash" in str(error):
        return getattr(error, "strerror", None) or first_clause(error)
    return "it is no checkpoint of tensors, or a damaged one"


def first_clause(error: Exception) -> str:
    """The first clause of what an exception says, on one line, short enough for a message."""
    clause = re.split(r"\.\s|[\r\n]", str(error), maxsplit=1)[0].strip("<>. ")
    return excerpt(clause, 200).strip("'\"") or type(error).__name__


def fill(net: nn.Module, label: str, state: dict[Any, Any], source: str, device: torch.device) -> None:
    """Give a network on the meta device the tensors of a checkpoint: all of them or, if one differs, none.

    Raises ``InputError`` for one that is missing, too many, or of another shape.

    A tensor is kept as it is if it has the network's dtype and a memory of its own, else copied. ``state``
    is emptied on the way, so that no tensor is there twice for longer than its own turn.
    """
    wanted = net.state_dict()
    counters = [key for key in wanted if key.endswith("num_batches_tracked")]
    if state.keys().isdisjoint(counters):  # saved before PyTorch 0.4.1, as published batch norms were
        state |= {key: torch.zeros((), dtype=torch.int64, device=device) for key in counters}
    misfit = _misfit(wanted, state, device)
    if misfit:
        raise InputError(
            f"The weights in {source} do not fit {label}. {misfit}.",
            "Build the network that they were saved from: its config, batch_norm and classes.",
        )
    own: dict[str, Tensor] = {}
    memories: set[int] = set()
    for key, like in wanted.items():
        tensor = state.pop(key).detach().to(like.dtype)
        memory = tensor.untyped_storage()
        whole = tensor.is_contiguous() and memory.nbytes() == tensor.nbytes
        if not whole or memory.data_ptr() in memories:
            tensor = tensor.clone(memory_format=torch.contiguous_format)
        memories.add(tensor.untyped_storage().data_ptr())
        own[key] = tensor
    net.load_state_dict(own, assign=True)


def _misfit(wanted: dict[str, Tensor], state: dict[Any, Any], device: torch.device) -> str:
    """How a checkpoint differs from the network, key by key; empty if it fits."""
    differences: dict[str, list[str]] = {
        "Missing": [key for key in wanted if key not in state],
        "Unexpected": [excerpt(key) for key in state if key not in wanted],
        "Of another shape": [],
        "Of another kind": [],
    }
    for key, like in wanted.items():
        if key not in state:
            continue
        found = state[key]
        if type(found) not in (Tensor, nn.Parameter):
            differences["Of another kind"].append(f"{key} (a {type(found).__name__})")
        elif (
            found.layout is not torch.strided
            or found.device != device
            or found.is_floating_point() != like.is_floating_point()
        ):
            kind = f"{found.dtype}, {found.layout}, on {found.device}"
            differences["Of another kind"].append(f"{key} ({kind})")
        elif found.shape != like.shape:
            shapes = f"{_shape(found)}, not {_shape(like)}"
            differences["Of another shape"].append(f"{key} ({shapes})")
    return ". ".join(f"{what}: {_few(keys)}" for what, keys in differences.items() if keys)


def _shape(tensor: Tensor) -> str:
    return shape(tuple(tensor.shape)) or "a single number"


def _few(keys: Sequence[str], most: int = 5) -> str:
    """The first keys, and how many more there are."""
    more = f" and {len(keys) - most:,} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more
