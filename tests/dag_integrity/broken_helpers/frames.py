"""Imports pandas for whoever imports it."""

import pandas as pd  # expect: heavy-import


def rows():
    return len(pd.DataFrame())
