"""The ways in which this ETL fails on purpose. Whatever else is raised may go away with a retry."""


class Permanent(Exception):
    """A retry cannot mend this: somebody has to change something first."""


class NoSuchDay(Permanent):
    """The bundled sample has no such day."""


class Superseded(Exception):
    """A newer run has taken this partition over; what this run made is dropped."""
