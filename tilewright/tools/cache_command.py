"""`tilewright cache`."""

from __future__ import annotations

from tilewright.codegen.cache import CompileCache
from tilewright.core.options import environment
from tilewright.tools.report import bytes_text


def show_cache() -> None:
    """Print where the cache is, how many results it holds and how large they are."""
    found = CompileCache(environment().cache_dir).show()
    print(f"directory  {found.directory}")
    print(f"entries    {found.entries}")
    print(f"size       {bytes_text(found.nbytes)} of at most {bytes_text(found.limit_bytes)}")


def clear_cache() -> None:
    """Remove all results."""
    cache = CompileCache(environment().cache_dir)
    found = cache.show()
    print(f"removed {cache.clear()} entries ({bytes_text(found.nbytes)}) from {found.directory}")
