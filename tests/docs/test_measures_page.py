"""The Python block of docs/measures.md runs, and prints what the table says."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "measures.md").read_text()


def test_the_block_prints_a_row_of_the_table(capsys) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert "(2, 10, 30, 100)" in block
    block = block.replace("(2, 10, 30, 100)", "(2,)")
    names: dict = {"__name__": "page"}
    exec(compile(block, "docs/measures.md", "exec", dont_inherit=True), names)
    assert abs(names["found"].value - 13.668) < 0.05 and "log Z = " in capsys.readouterr().out
