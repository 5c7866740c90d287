"""Questions that people ask on the command line, answered from the catalogue alone."""
