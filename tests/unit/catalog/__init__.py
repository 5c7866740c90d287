"""What the catalogue holds, and how it complains."""
