"""The last part of the navigation: docs/decisions/, in the order of their numbers."""

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    """Add the decisions, which are listed nowhere, so that a new one is a file and nothing else."""
    directory = Path(config["docs_dir"])
    pages = sorted(page.relative_to(directory).as_posix() for page in directory.glob("decisions/*.md"))
    config["nav"].append({"Decisions": pages})
    return config
