"""Audio that is no longer where the manifests name it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MovedFolders:
    """Folders of audio by the place that manifests name, each with its place now."""

    pairs: tuple[tuple[Path, Path], ...] = ()

    @classmethod
    def of(cls, paths: Sequence[str]) -> MovedFolders:
        """Read OLD NEW [OLD NEW ...]. Raises ValueError for an odd number and a missing NEW."""
        if len(paths) % 2:
            raise ValueError(f"--relocate: {' '.join(paths)}: give pairs of folders, OLD NEW")
        named, now = (map(Path, map(os.path.abspath, paths[first::2])) for first in (0, 1))
        pairs = list(zip(named, now, strict=True))
        if missing := [str(new) for _, new in pairs if not new.is_dir()]:
            raise ValueError(
                f"--relocate: {', '.join(missing)}: no such folder: give the folder that holds the "
                "audio now, after the one that the manifests name"
            )
        return cls(tuple(sorted(pairs, key=lambda pair: -len(pair[0].parts))))  # inner ones first

    def find(self, path: Path) -> tuple[Path, Path] | None:
        """Return (the moved folder that holds a path, the path's place now); None if none does."""
        named = Path(os.path.abspath(path))
        for old, new in self.pairs:
            if named.is_relative_to(old):
                return old, new / named.relative_to(old)
        return None

    def unused(self, used: set[Path]) -> list[str]:
        """Return a problem for each folder that no audio path begins with."""
        return [
            f"--relocate: {old}: no audio path of the manifests begins so: give the folder as they "
            "name it; a path that is relative in a manifest begins at the manifest's folder"
            for old, _ in self.pairs
            if old not in used
        ]
