"""The program `vllm` without a GPU: all of vLLM but the process that computes.

Run in the environment `vllm` by that name, with the repository's root on Python's path. Its command
line, its HTTP server, its tokenizing, its reading of adapters, its rules of when an answer ends and
its metrics are vLLM's own; tokens come from the transformers library, greedily or drawn among the
`top_k` likeliest.
"""

from __future__ import annotations

from vllm import platforms
from vllm.platforms.cpu import CpuPlatform


def main() -> None:
    """Be vLLM."""
    # Without a GPU it finds no device, and whatever is imported after this asks for one.
    platforms._current_platform = CpuPlatform()
    from vllm.entrypoints.cli.main import main as serve

    from tests.vllm import cpu_core

    cpu_core.install()
    serve()


if __name__ == "__main__":
    main()
