import pandas as pd
from my_etl.datasets import read
from my_etl.datasets.settings import load
from my_etl.datasets.store import Store


def build(day):
    orders, visits = read("orders", day), read("visits", day)
    result = pd.DataFrame({"orders": [len(orders)], "visitors": [visits["visitors"].sum()]})
    with Store(load().data_root).writing(f"clean/day_of_shop/partition_date={day}/day_of_shop.parquet") as sink:
        result.to_parquet(sink, index=False)
    return {"rows": len(result)}
