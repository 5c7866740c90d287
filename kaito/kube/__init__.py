"""The controller engine. It knows nothing of KAITO and could be lifted out in an hour."""
