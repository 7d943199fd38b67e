"""The generated page about PyTorch programs."""

from __future__ import annotations

from tilewright.frontend.torch.docs import PAGE, page
from tilewright.frontend.torch.ops import HANDLERS


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tilewright.frontend.torch.docs"


def test_every_op_is_on_the_page() -> None:
    text = page()
    for name in HANDLERS:
        op = name.split(".")[1] if name.startswith("aten.") else name.removesuffix(".default")
        assert f"`{op}`" in text, name
