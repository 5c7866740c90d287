"""The API in memory and the real API server answer alike, for all that this project asks."""
