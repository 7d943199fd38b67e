"""Dialects of Tilewright. `tw` is the tensor dialect of levels 1 and 2 (docs/levels.md)."""
