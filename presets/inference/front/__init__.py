"""What our contract has and vLLM's own server lacks, put in front of it as ASGI middleware."""
