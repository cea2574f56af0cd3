import os

from my_etl.datasets import Column, Dataset, client


def fetch(start, end):
    query = {"from": start.isoformat(), "to": end.isoformat(), "page": 1}
    return client.pages(os.environ["SHOP_URL"], query, rows="orders", next="next_page", into="page")


ORDERS = Dataset(
    "orders",
    columns=(
        Column("id", "integer", nullable=False),
        Column("at", "timestamp", nullable=False),
        Column("price", "number", "EUR", low=0, high=10_000),
        Column("discount", "number", "EUR", low=0),
    ),
    fetch=fetch,
    kind="events",
    clean=lambda orders: orders.assign(paid=orders["price"] - orders["discount"].fillna(0)),
    derived=(Column("paid", "number", "EUR"),),
    rules={"the discount is more than the price": lambda orders: orders["discount"] > orders["price"]},
    key="id",
    time="at",
    format="jsonl",
)
