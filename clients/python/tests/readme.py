"""Runs the README's example against a broker: python readme.py HOST:PORT, with the topic "bank" made."""

from __future__ import annotations

import pathlib
import re
import sys

text = (pathlib.Path(__file__).parents[1] / "README.md").read_text()
[code] = re.findall(r"```python\n(.*?)```", text, re.S)
assert len(code.strip().splitlines()) <= 20, "the example has more than 20 lines"
exec(compile(code.replace("localhost:9092", sys.argv[1]), "README.md", "exec"), {})  # noqa: S102 it is ours
