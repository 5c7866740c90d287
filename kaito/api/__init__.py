"""Our Kinds, their labels and reasons, and the CRDs that are generated from them."""
