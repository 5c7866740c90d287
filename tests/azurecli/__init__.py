"""The lines for Azure, read by the Azure CLI itself."""
