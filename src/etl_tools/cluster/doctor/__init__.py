"""What is between this checkout and its DAGs in the cluster: `make doctor`, and what stops `make deploy`."""

from functools import partial
from typing import NamedTuple


class Finding(NamedTuple):
    """One line of the report: ``ok`` is True, False, or None if it could not be looked at.

    ``blocks``: with this a deploy would end badly, so `make deploy` stops before it changes anything.
    ``cause`` is what the finding comes from, where several checks may meet it: the first of them says it.
    """

    ok: bool | None
    what: str
    fix: str = ""
    blocks: bool = False
    cause: str = ""


fine = partial(Finding, True)
broken = partial(Finding, False, blocks=True)
unknown = partial(Finding, None)
