"""The inference server beside the library's own, `transformers serve`, with the same model."""
