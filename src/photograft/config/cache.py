"""Settings of the cache."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from photograft.config.section import Section


class CacheConfig(Section):
    """Where features and scan results are kept between runs."""

    dir: Path | None = None
    """Folder of the cache. By default the user cache folder of the system, or $PHOTOGRAFT_CACHE."""

    max_gb: float = Field(default=10.0, gt=0)
    """Size limit in gigabytes; the entries used longest ago go first."""

    trust_mtime: bool = True
    """Take a file with unchanged path, size and time for unchanged. Off: every file is read and hashed again."""
