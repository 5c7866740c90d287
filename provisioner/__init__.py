"""The node provisioner: the Karpenter claim API, carried out as AKS agent pools."""
