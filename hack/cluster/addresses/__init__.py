"""How bytes reach nodes, pods and Services: on loopback, and only there."""
