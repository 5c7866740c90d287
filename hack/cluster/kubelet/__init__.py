"""The process kubelet: one process that plays every node of a local cluster.

It registers a Node for each machine that the ARM server has, and runs the containers of the
pods that are bound to it as processes under bubblewrap. Linux only.
"""
