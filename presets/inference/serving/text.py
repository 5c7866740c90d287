"""Text of an answer while it comes, cut where a stop string begins."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers.decoders import DecodeStream

from serving.encoder import Encoder

CONTEXT_TOKENS = 6
"""How much of the prompt the decoder sees first: it decides about the space before a word."""


class Writing:
    """One answer: tokens in, text out.

    The end of the text is kept back as long as it may be the begin of a stop string.
    """

    def __init__(
        self, encoder: Encoder, prompt_ids: Sequence[int], stop: Sequence[str] = ()
    ) -> None:
        self._encoder = encoder
        self._tokenizer = encoder.fast
        self._prompt_ids = prompt_ids
        self._stop = tuple(stop)
        self._held = max((len(one) - 1 for one in self._stop), default=0)
        self._token_ids: list[int] = []
        self._text = ""
        self._given = 0
        self._decoder = DecodeStream(skip_special_tokens=True)
        for token in prompt_ids[-CONTEXT_TOKENS:]:
            self._step(token)
        self.stopped = False
        """Whether a stop string came."""

    def fed(self, token_ids: Sequence[int]) -> str:
        """The text that is certain now and was not given out before."""
        if self.stopped:
            return ""
        self._token_ids.extend(token_ids)
        self._text += "".join(self._step(token) for token in token_ids)
        self._cut()
        return self._out(len(self._text) - (0 if self.stopped else self._held))

    def rest(self) -> str:
        """The text that is still missing when no more tokens come."""
        if not self.stopped:
            whole = self._encoder.written(self._prompt_ids, self._token_ids)
            # What the decoder held back: the begin of a character that never became whole.
            if whole.startswith(self._text):
                self._text = whole
            self._cut()
        return self._out(len(self._text))

    def _step(self, token: int) -> str:
        try:
            return self._decoder.step(self._tokenizer, token) or ""
        except Exception as error:  # the library's one type for everything
            if "prefix" not in str(error):
                raise
            # Bytes that are no text: begin anew behind them.
            self._decoder = DecodeStream(skip_special_tokens=True)
            return self._decoder.step(self._tokenizer, token) or ""

    def _cut(self) -> None:
        """End the text where the first stop string begins."""
        searched = max(0, self._given - self._held)
        found = [at for one in self._stop if (at := self._text.find(one, searched)) >= 0]
        if found:
            self._text = self._text[: min(found)]
            self.stopped = True

    def _out(self, end: int) -> str:
        begin, self._given = self._given, max(self._given, end)
        return self._text[begin : self._given]
