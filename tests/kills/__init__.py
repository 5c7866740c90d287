"""The workspace controller is killed after each of its writes: the same end, nothing twice."""
