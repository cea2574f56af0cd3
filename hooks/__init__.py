"""The hooks, importable by the tests."""
