"""Fails when a file or a function is longer than we hold ourselves to (CONTRIBUTING)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

FILE_LINES = 600
FUNCTION_LINES = 60
FREE = ("tests/", "migrations/versions/")


def main() -> int:
    """Print what is too long; return 1 if anything is."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], capture_output=True, text=True, check=True
    ).stdout.split()
    found = []
    for name in listed:
        path = Path(name)
        if not path.exists() or name.startswith(FREE):
            continue
        text = path.read_text()
        if text.count("\n") > FILE_LINES:
            found.append(f"{name}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    found.append(f"{name}:{node.lineno} {node.name}: {lines} lines")
    print("\n".join(found) or "sizes: good")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
