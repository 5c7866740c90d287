"""The inference server beside its clients and beside the library that it is made of."""
