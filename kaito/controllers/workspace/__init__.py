"""The workspace controller: observe → plan → act → report."""
