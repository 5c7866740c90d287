"""LoRA adapters as files: what they must hold, their strength, and several of them as one."""
