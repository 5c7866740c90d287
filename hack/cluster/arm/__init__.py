"""An HTTPS server that stands in for Azure Resource Manager, behind its network protocol."""
