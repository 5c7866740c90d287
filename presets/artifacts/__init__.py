"""The program that carries artifacts from and to registries; README.md is the contract."""
