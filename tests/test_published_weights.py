"""The published weights, from a site of our own: fetched once, hashed whenever they are loaded."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from building import CLASSIC, TINY, TINY_BN, assert_whole, retrained, same, saved

from vgg_profile import models
from vgg_profile.core.errors import InputError
from vgg_profile.models import VGG, build
from vgg_profile.models import weights as filling


@pytest.fixture
def trained() -> VGG:
    return retrained()


# -- the published weights -----------------------------------------------------------------------


def test_the_published_files() -> None:
    assert filling.BASE_URL == "https://download.pytorch.org/models/"
    files = {
        function: filling.PUBLISHED[getattr(models, function)(device="meta").config] for function in CLASSIC
    }
    assert files == {
        "vgg11": "vgg11-8a719046.pth",
        "vgg11_bn": "vgg11_bn-6002323d.pth",
        "vgg13": "vgg13-19584684.pth",
        "vgg13_bn": "vgg13_bn-abd245e5.pth",
        "vgg16": "vgg16-397923af.pth",
        "vgg16_bn": "vgg16_bn-6c64b313.pth",
        "vgg19": "vgg19-dcbb9e9d.pth",
        "vgg19_bn": "vgg19_bn-c79401a0.pth",
    }
    assert len(filling.PUBLISHED) == 8
    assert all(file.startswith(f"{function}-") for function, file in files.items())
    assert all(torch.hub.HASH_REGEX.search(file) for file in files.values())


@pytest.mark.parametrize(
    ("net", "problem"),
    [
        (partial(build, "C"), "There are no published weights for 'C', only for A, A-BN, B, "),
        (partial(build, "A-LRN"), "There are no published weights for 'A-LRN'"),
        (partial(build, "64,M"), "There are no published weights for '64,M'"),
        (partial(models.vgg16, classes=10), "are for 1,000 classes, and this network has 10."),
    ],
)
def test_no_published_weights(net: Callable[..., VGG], problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.hub, "load_state_dict_from_url")  # nobody goes looking
    with pytest.raises(InputError) as refusal:
        net(weights="published", device="meta")
    assert problem in refusal.value.problem
    assert "weights=PATH" in refusal.value.next_step


class Site:
    """A loopback web server of files in memory; it counts what it is asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.withheld = 0
        self.speaks_http = True
        site = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.removeprefix("/")
                site.asked.append(name)
                if not site.speaks_http:
                    self.wfile.write(b"what is it?\r\n")
                    return
                if name not in site.files:
                    self.send_error(404)
                    return
                body = site.files[name]
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) - site.withheld])

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(filling, "BASE_URL", site.url)
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


@pytest.fixture
def name(site: Site, trained: VGG, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small checkpoint on the site; its name ends with the start of its SHA-256, as published names do."""
    body = saved(trained.state_dict(), tmp_path / "w.pth").read_bytes()
    name = f"tiny_bn-{hashlib.sha256(body).hexdigest()[:8]}.pth"
    site.files[name] = body
    monkeypatch.setitem(filling.PUBLISHED, TINY_BN, name)
    return name


def cache(tmp_path: Path) -> list[str]:
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_published_weights_are_fetched_once(
    site: Site, name: str, trained: VGG, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        net = build(TINY_BN, weights="published")
        assert same(net, trained)
        assert_whole(net, "cpu", torch.float32)
    assert site.asked == cache(tmp_path) == [name]
    out, err = capsys.readouterr()
    assert out == ""
    assert f"Downloading: {site.url}{name}" in err.replace('"', "")
    assert "100%" in err


def test_published_weights_from_a_file_url(
    site: Site, name: str, trained: VGG, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(site.files[name])
    monkeypatch.setattr(filling, "BASE_URL", f"{tmp_path.as_uri()}/")
    assert same(build(TINY_BN, weights="published"), trained)
    assert site.asked == []


def test_a_changed_download_is_refused_and_leaves_nothing(
    site: Site, name: str, trained: VGG, tmp_path: Path
) -> None:
    right = site.files[name]
    site.files[name] = right[:-100] + bytes(100)
    with pytest.raises(
        InputError, match=rf"{name}: invalid hash value.*Check the network and try again.*=PATH"
    ):
        build(TINY_BN, weights="published")
    assert cache(tmp_path) == []
    site.files[name] = right
    assert same(build(TINY_BN, weights="published"), trained)


def test_a_download_cut_short_is_refused_and_leaves_nothing(site: Site, name: str, tmp_path: Path) -> None:
    site.withheld = 50
    with pytest.raises(InputError, match=f"cannot be loaded from {site.url}{name}: .*weights=PATH"):
        build(TINY_BN, weights="published")
    assert site.asked == [name]
    assert cache(tmp_path) == []


def test_a_file_that_is_not_there(site: Site, name: str, tmp_path: Path) -> None:
    site.files.clear()
    with pytest.raises(
        InputError, match=r"HTTP Error 404: .*\. Check the network and try again; a checkpoint"
    ):
        build(TINY_BN, weights="published")
    assert cache(tmp_path) == []


def test_a_server_that_speaks_something_else(site: Site, name: str, tmp_path: Path) -> None:
    site.speaks_http = False
    with pytest.raises(InputError, match=r"what is it\?\. Check the network and try again; a checkpoint"):
        build(TINY_BN, weights="published")
    assert cache(tmp_path) == []


def test_no_network(site: Site, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "BASE_URL", "http://127.0.0.1:1/")
    with pytest.raises(
        InputError, match=r"Connection refused\. Check the network and try again; a checkpoint"
    ):
        build(TINY_BN, weights="published")
    assert cache(tmp_path) == []


def test_a_damaged_cache_says_which_file_to_delete(
    site: Site, name: str, trained: VGG, tmp_path: Path
) -> None:
    build(TINY_BN, weights="published")
    cached = tmp_path / "torch" / "hub" / "checkpoints" / name
    cached.write_bytes(cached.read_bytes()[:-100])
    with pytest.raises(
        InputError, match=f"invalid hash value: .* Delete {re.escape(str(cached))} and try again"
    ):
        build(TINY_BN, weights="published")
    cached.unlink()
    assert same(build(TINY_BN, weights="published"), trained)


def test_weights_that_somebody_planted_in_the_cache_are_not_taken_for_the_published(
    site: Site, name: str, trained: VGG, tmp_path: Path
) -> None:
    """They load, and fit; only their hash tells that they are others."""
    cached = tmp_path / "torch" / "hub" / "checkpoints" / name
    cached.parent.mkdir(parents=True)
    torch.save({key: value + 1 for key, value in trained.state_dict().items()}, cached)
    with pytest.raises(InputError, match=f"invalid hash value: .* Delete {re.escape(str(cached))}"):
        build(TINY_BN, weights="published")
    assert site.asked == []


def test_published_weights_of_another_network(site: Site, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(filling.PUBLISHED, TINY, name)
    with pytest.raises(
        InputError, match=rf"{name} do not fit tiny\. Missing: .*Unexpected: 'features.1.weight'"
    ):
        build(TINY, weights="published")
