"""vLLM's own parser of its server's command line.

Run in the environment `vllm`: `python parse.py`; on standard input a JSON list of argument vectors
as they stand after `vllm serve`, on standard output a JSON list: what vLLM refuses in each, "" for
nothing, and its version at last.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import sys
from typing import Any

import vllm
from vllm import platforms
from vllm.platforms.cpu import CpuPlatform


@functools.cache
def server_parser() -> Any:
    """The parser of `vllm serve`; to make it takes half a second."""
    from vllm.entrypoints.openai.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    return make_arg_parser(FlexibleArgumentParser())


def refusal(words: list[str]) -> str:
    """What the parser says of a command line."""
    from vllm.entrypoints.openai.cli_args import validate_parsed_serve_args

    parser = server_parser()
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            validate_parsed_serve_args(parser.parse_args(words))
    except SystemExit:
        return said.getvalue().strip().splitlines()[-1]
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


if __name__ == "__main__":
    # Without a GPU it finds no device, and the parser asks for one to show its defaults.
    platforms._current_platform = CpuPlatform()
    found = [refusal(words) for words in json.load(sys.stdin)]
    json.dump([*found, vllm.__version__], sys.stdout)
