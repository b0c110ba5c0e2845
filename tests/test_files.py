"""Files appear whole or not at all, and none is overwritten unasked."""

from __future__ import annotations

import os
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vgg_profile.core.errors import InputError
from vgg_profile.core.files import check_writable, write_all, write_whole

OLD = "the old text, longer than the new one\n"


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_text_arrives_as_it_is_and_alone(tmp_path: Path) -> None:
    text = "a\r\nb\n×–─\x00 no line end"
    write_whole(tmp_path / "new.txt", text)
    assert (tmp_path / "new.txt").read_bytes() == text.encode()
    assert names(tmp_path) == ["new.txt"]


def test_an_existing_file_is_refused_and_stays(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text(OLD)
    with pytest.raises(InputError, match="--force"):
        write_whole(tmp_path / "old.txt", "new")
    assert (tmp_path / "old.txt").read_text() == OLD
    assert names(tmp_path) == ["old.txt"]


def test_force_replaces_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text(OLD)
    write_whole(tmp_path / "old.txt", "new", force=True)
    assert (tmp_path / "old.txt").read_text() == "new"
    assert names(tmp_path) == ["old.txt"]


def test_a_reader_of_the_old_file_keeps_it_whole(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text(OLD)
    with (tmp_path / "old.txt").open() as reader:
        assert reader.read(3) == OLD[:3]
        write_whole(tmp_path / "old.txt", "new", force=True)
        assert reader.read() == OLD[3:]


class Broken:
    """A file that takes half the text, then fails."""

    def __init__(self, file: Any, error: BaseException) -> None:
        self.file, self.error = file, error

    def __enter__(self) -> Broken:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, text: str) -> None:
        self.file.write(text[: len(text) // 2])
        self.file.flush()
        raise self.error


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("error", "raised"),
    [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(28, "No space left on device"), InputError)],
)
def test_a_write_that_breaks_off_leaves_things_as_they_were(
    error: BaseException,
    raised: type[BaseException],
    force: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = tmp_path / "out.txt"
    if force:
        target.write_text(OLD)
    real, opened = os.fdopen, []

    def fdopen(*arguments: Any, **options: Any) -> Broken:
        opened.append(arguments)
        return Broken(real(*arguments, **options), error)

    monkeypatch.setattr(os, "fdopen", fdopen)
    with pytest.raises(raised):
        write_whole(target, "new text", force=force)
    monkeypatch.undo()
    assert opened, "the fault was never met"
    assert names(tmp_path) == (["out.txt"] if force else [])
    assert not force or target.read_text() == OLD


def test_a_full_disk_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", full)
    with pytest.raises(InputError, match=r"cannot be written: No space left on device\."):
        write_whole(tmp_path / "out.txt", "new")


@pytest.mark.parametrize("moment", ["link", "replace"])
def test_a_rename_that_fails_leaves_no_draft(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(*((os, "link") if moment == "link" else (Path, "replace")), interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "out.txt", "new", force=moment == "replace")
    assert names(tmp_path) == []


def test_a_file_that_appears_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, target = tempfile.mkstemp, tmp_path / "out.txt"

    def mkstemp(**options: Any) -> tuple[int, str]:
        target.write_text(OLD)
        return real(**options)

    monkeypatch.setattr(tempfile, "mkstemp", mkstemp)
    with pytest.raises(InputError):
        write_whole(target, "new")
    assert target.read_text() == OLD
    assert names(tmp_path) == ["out.txt"]


def test_a_new_file_has_the_usual_permissions(tmp_path: Path, umask: None) -> None:
    write_whole(tmp_path / "out.txt", "new")
    assert mode(tmp_path / "out.txt") == 0o644
    os.umask(0o077)
    write_whole(tmp_path / "private.txt", "new")
    assert mode(tmp_path / "private.txt") == 0o600
    assert os.umask(0o077) == 0o077, "the umask was changed"


@pytest.mark.parametrize("force", [False, True])
def test_a_directory_is_refused(force: bool, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        write_whole(tmp_path, "new", force=force)
    with pytest.raises(InputError, match="no directory"):
        write_whole(tmp_path / "none" / "out.txt", "new", force=force)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="no directory"):
        write_whole(tmp_path / "file" / "out.txt", "new", force=force)
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("there", ["folder", "file"])
def test_a_place_that_may_not_be_written_is_refused_before_the_work(
    there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.txt"
    target.write_text(OLD)
    locked = tmp_path if there == "folder" else target
    monkeypatch.setattr(os, "access", lambda path, *_: Path(path) != locked)
    with pytest.raises(InputError, match="cannot be written"):
        check_writable(target, force=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_locked_folder_and_a_locked_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text(OLD)
    (tmp_path / "old.txt").chmod(0o444)
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path / "old.txt", "new", force=True)
    (tmp_path / "locked").mkdir(mode=0o555)
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path / "locked" / "out.txt", "new")


def test_checking_writes_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "out.txt")
    assert names(tmp_path) == []


def test_a_link_is_replaced_and_what_it_points_to_stays(tmp_path: Path) -> None:
    (tmp_path / "far.txt").write_text(OLD)
    link = tmp_path / "link.txt"
    link.symlink_to("far.txt")
    with pytest.raises(InputError, match="exists already"):
        write_whole(link, "new")
    write_whole(link, "new", force=True)
    assert not link.is_symlink()
    assert (link.read_text(), (tmp_path / "far.txt").read_text()) == ("new", OLD)


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "nowhere.txt")
    with pytest.raises(InputError, match="exists already"):
        write_whole(link, "new")
    assert link.is_symlink()
    write_whole(link, "new", force=True)
    assert names(tmp_path) == ["link.txt"]
    assert not link.is_symlink()


def test_a_link_to_a_directory_is_a_directory(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.txt").symlink_to("folder")
    with pytest.raises(InputError, match="is a directory"):
        write_whole(tmp_path / "link.txt", "new", force=True)
    assert names(tmp_path / "folder") == []


def test_a_link_to_a_folder_on_the_way_is_an_ordinary_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    write_whole(tmp_path / "link" / "out.txt", "new")
    assert names(tmp_path / "folder") == ["out.txt"]


def test_a_pipe_or_a_device_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(InputError):
        write_whole(tmp_path / "pipe.txt", "new", force=True)


def test_a_name_too_long_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write_whole(tmp_path / ("n" * 300), "new")


def test_the_longest_name_of_the_file_system_is_written(tmp_path: Path) -> None:
    write_whole(tmp_path / ("n" * 255), "new")
    assert names(tmp_path) == ["n" * 255]


def test_the_longest_name_in_another_script_is_written(tmp_path: Path) -> None:
    write_whole(tmp_path / ("🦆" * 63), "new")
    assert names(tmp_path) == ["🦆" * 63]


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    write_whole(tmp_path / "out.txt", "new")
    assert (tmp_path / "out.txt").read_text() == "new"


def test_of_files_that_belong_together_none_is_left_if_one_cannot_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def somebody_is_faster(draft: Path, path: Path) -> None:
        if path.name == "second.txt":
            path.write_text(OLD)
        link(draft, path)

    monkeypatch.setattr(os, "link", somebody_is_faster)
    with pytest.raises(InputError, match=r"second\.txt' cannot be written"):
        write_all({tmp_path / "first.txt": "new", tmp_path / "second.txt": "new"})
    assert names(tmp_path) == ["second.txt"]
    assert (tmp_path / "second.txt").read_text() == OLD


def test_ctrl_c_between_two_names_counts_after_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def replace_and_press(draft: Path, path: Path) -> Path:
        signal.raise_signal(signal.SIGINT)
        return replace(draft, path)

    monkeypatch.setattr(Path, "replace", replace_and_press)
    with pytest.raises(KeyboardInterrupt):
        write_all({tmp_path / "a.txt": "new", tmp_path / "b.txt": "new"}, force=True)
    assert [(tmp_path / name).read_text() for name in names(tmp_path)] == ["new", "new"]


def test_ctrl_c_before_the_first_name_leaves_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text(OLD)
    fchmod = Path.chmod

    def press(draft: Path, mode: int) -> None:
        fchmod(draft, mode)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Path, "chmod", press)
    with pytest.raises(KeyboardInterrupt):
        write_all({tmp_path / "a.txt": "new", tmp_path / "b.txt": "new"}, force=True)
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == OLD
