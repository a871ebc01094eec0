"""One module or folder a brand; each replaceable, none imports another."""
