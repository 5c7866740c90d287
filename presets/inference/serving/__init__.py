"""An HTTP server for one causal language model on the transformers library."""
