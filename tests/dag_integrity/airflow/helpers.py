"""In a folder of the DAG folder that has the name of an installed package."""

SHOPS = ("north", "south")
