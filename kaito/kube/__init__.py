"""The controller engine. It knows nothing of KAITO and could be lifted out in an hour."""

VERSION = "0.1.0"
"""Of the distribution, as pyproject.toml has it; part of every request's User-Agent."""
