#!/usr/bin/env bash
# From a fresh clone to sentence embeddings: makes an environment, exports all-MiniLM-L6-v2, compiles it, runs it beside PyTorch.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/environment.sh
make_environment demo
exec python examples/minilm.py "$@"
