"""Times as they are written: ISO 8601 in UTC."""

from datetime import UTC, datetime


def iso(moment: datetime, precision: str = "seconds") -> str:
    """Write a time.

    Parameters
    ----------
    moment : datetime
        Any that knows its zone.
    precision : str
        ``seconds`` or ``milliseconds``.

    Returns
    -------
    str
        ``2025-01-19T02:57:27Z``.
    """
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
