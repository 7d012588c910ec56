"""A hint that no JSON stands for."""


def odd(callback: complex) -> str:
    """Take what JSON cannot say."""
    return str(callback)
