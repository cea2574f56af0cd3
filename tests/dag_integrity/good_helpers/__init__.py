"""What the good examples import."""
