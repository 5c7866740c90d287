"""A first day with the project: nothing is in the cache, and a reader types the pages."""
