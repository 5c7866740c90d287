"""The operator on one machine: a real control plane, an ARM server and a process kubelet."""
