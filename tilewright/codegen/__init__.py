"""From the llvm dialect to an artifact: objects by llvmlite, linking, worker processes, the compile cache, the artifact writer."""
