"""The pages of words that people read from the outside: reasons, log events, series."""
