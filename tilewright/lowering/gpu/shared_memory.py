"""Static shared memory of a kernel: one small buffer per exchange, so that no barrier is needed before a buffer is used again."""

from __future__ import annotations

from dataclasses import dataclass, field

from tilewright.core.mlir import ir


@dataclass(eq=False)
class SharedMemory:
    """The buffers of one `gpu.func`: they are its workgroup attributions, block arguments behind the ordinary ones."""

    block: ir.Block | None = None
    buffers: list[ir.Value] = field(default_factory=list)

    def allocate(self, elements: int, element_type: ir.Type) -> ir.Value:
        """A buffer that the threads of a block share, as a memref of static size."""
        if self.block is None:
            raise ValueError("shared memory is allocated inside a kernel")
        space = ir.Attribute.parse("#gpu.address_space<workgroup>")
        buffer_type = ir.MemRefType.get([elements], element_type, memory_space=space)
        self.buffers.append(self.block.add_argument(buffer_type, self.block.owner.location))
        return self.buffers[-1]
