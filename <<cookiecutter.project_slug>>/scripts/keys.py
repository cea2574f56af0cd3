"""Make every missing secret."""
