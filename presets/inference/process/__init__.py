"""What the programs of a model's image share: how they are told things, and how they tell.

The image has two programs, the server beside this folder and the trainer, which puts this folder on
its path. The carrier of artifacts, in an image of its own, has neither these settings nor libraries
whose lines it would have to catch.
"""
