"""The cloud in the same process and the ARM server over HTTPS answer alike."""
