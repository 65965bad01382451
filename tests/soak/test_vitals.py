"""What is told of a process, and what of it is too much."""

import asyncio
from pathlib import Path

from . import vitals
from .vitals import grown


async def test_a_task_and_a_file_more_are_seen(tmp_path: Path) -> None:
    before = vitals.look()
    task = asyncio.ensure_future(asyncio.sleep(60))
    with (tmp_path / "file").open("w"):
        after = vitals.look()
    task.cancel()
    assert after["tasks"] == before["tasks"] + 1
    assert after["files"] == before["files"] + 1
    assert sorted(words.split(":")[0] for words in grown(before, after)) == ["files", "tasks"]


async def test_what_went_back_is_no_more() -> None:
    before = vitals.look()
    assert grown(before, before) == []
    assert grown(before, before | {"kilobytes": before["kilobytes"] + 1}) == []
    assert grown(before, before | {"kilobytes": before["kilobytes"] * 2}) != []
