"""What is in in_project/ is run by a baked project's Python: see test_library.py."""

collect_ignore = ["in_project", "pages"]
