"""The torch frontend: `torch.export` programs to level 1 `tw` programs. The only part of the compiler that imports torch.

In processing order: `load` (files and modules to an `ExportedProgram`), `graph` (what matters in it; decompositions), `importer`
(the walk), `registry` and `ops/` (one handler per op), `emitter` and `scalars` (what handlers build with), `dtypes`, `symbols`,
`locations`, `weights`, `structure`; `unsupported` (the report of all that can't be imported); `private` (torch without public names).
"""

from __future__ import annotations

from tilewright.frontend.torch.importer import import_exported
from tilewright.frontend.torch.load import export_module, load_pt2

__all__ = ["export_module", "import_exported", "load_pt2"]
