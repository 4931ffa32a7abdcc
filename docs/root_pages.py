"""Bring CONTRIBUTING.md and CHANGELOG.md, which stay at the root of the repository, into the site (an mkdocs hook)."""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PAGES = ("CONTRIBUTING.md", "CHANGELOG.md")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, with links that lead to the same places from docs/."""
    for name in PAGES:
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, name.lower(), content=re.sub(r"\[([^]]+)\]\(([^)\s]+)\)", _link, text)))
    return files


def _link(match: re.Match[str]) -> str:
    text, target = match.groups()
    if target.startswith(("http", "#")):
        return match[0]
    if target in PAGES:
        return f"[{text}]({target.lower()})"
    # The site shows pages only: of a link to a source file the text is left.
    return f"[{text}]({target.removeprefix('docs/')})" if target.startswith("docs/") else text
