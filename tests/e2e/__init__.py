"""A person's whole way, from a bake to a green run in the browser, on real servers. `make e2e` runs it."""
