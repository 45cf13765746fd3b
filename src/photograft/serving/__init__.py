"""Pages that a server on this machine gives to a browser."""
