"""Names that any file system takes, and files that are never half there."""

import os
import stat
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.folder import OutputError, broadcast_folder, complete_file, safe_name, write_json


@given(
    st.text(alphabet=st.one_of(st.characters(), st.sampled_from('./\\ :*?"<>|\0\x1f\u202e\u2028가힣🔥')), max_size=200)
)
def test_a_safe_name_is_one_part_of_a_path(name: str) -> None:
    safe = safe_name(name)
    assert safe
    assert len(safe.encode()) <= 80
    assert ".." not in safe
    assert not set(safe) & set('<>:"/\\|?*')
    assert all(unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in safe)
    assert safe == safe.strip(" .")
    assert Path(safe).name == safe
    assert safe_name(safe) == safe


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("미라이", "미라이"),
        ("../../x", "_._x"),
        ("a/b\\c", "a_b_c"),
        (None, "unknown"),
        ("", "unknown"),
        ("...", "unknown"),
        ("CON", "_CON"),
        ("lpt1.txt", "_lpt1.txt"),
        ("가" * 40, "가" * 26),
        ("  두  칸 ", "두 칸"),
        ("evil\u202egnp.exe", "evilgnp.exe"),
    ],
)
def test_names_that_are_known_to_hurt(name: str | None, safe: str) -> None:
    assert safe_name(name) == safe


def test_the_day_of_a_folder_is_the_one_in_seoul() -> None:
    folder = broadcast_folder(Path("out"), datetime(2026, 1, 6, 15, 0, tzinfo=UTC), "미라이", "20260107-000000_ab")
    assert folder == Path("out/2026-01-07/미라이_20260107-000000_ab")
    with pytest.raises(ValueError, match="no time zone"):
        broadcast_folder(Path("out"), datetime(2026, 1, 6), "x", "y")  # noqa: DTZ001 - that is the point


def _write_half(path: Path, error: Exception) -> None:
    with complete_file(path) as file:
        file.write(b"new")
        raise error


def test_a_failure_inside_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "peaks.json"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half way"):
        _write_half(path, RuntimeError("half way"))
    with pytest.raises(OutputError, match=r"peaks.json cannot be written \(No space left on device\)"):
        _write_half(path, OSError(28, os.strerror(28)))
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("peaks.json", "old")]


def test_a_complete_file_replaces_the_old_one_and_follows_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "peaks.json"
    before = os.umask(0o027)
    try:
        write_json(path, {"가": 1})
        write_json(path, {"가": 2})
    finally:
        os.umask(before)
    assert path.read_text() == '{\n  "가": 2\n}\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [one.name for one in path.parent.iterdir()] == ["peaks.json"]


def test_where_a_folder_cannot_be_made_there_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written") as caught:
        write_json(tmp_path / "file" / "peaks.json", {})
    assert "\n" not in str(caught.value)
