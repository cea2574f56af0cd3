"""An operator that makes a set of what it is given."""

from airflow.providers.standard.operators.bash import BashOperator


class SayOperator(BashOperator):
    def __init__(self, shops, **kwargs):
        super().__init__(bash_command=" ".join(set(shops)), **kwargs)
