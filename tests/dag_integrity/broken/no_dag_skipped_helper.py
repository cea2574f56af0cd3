"""Helpers that should be in the ignore file."""  # expect: no-dag


def one():
    return 1
