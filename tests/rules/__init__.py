"""The rules of the house, as tests on the text of the tree."""
