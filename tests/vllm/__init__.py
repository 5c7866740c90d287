"""Our command lines as vLLM itself reads them, without a GPU; a ring of its own."""
