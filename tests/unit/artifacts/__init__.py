"""The program that carries adapters: real registries, real archives, arithmetic by hand."""
