"""An operator of the repository's own, on that of a library."""

from lib_with_operator import FramesOperator


class OwnOperator(FramesOperator):
    pass
