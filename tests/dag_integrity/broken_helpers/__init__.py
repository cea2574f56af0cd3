"""What the broken examples import."""
