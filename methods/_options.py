"""Checks of options that the bounds of single fields cannot say."""

from typing import Any

from pydantic import model_validator


def ordered(lower: str, upper: str) -> Any:
    """A validator for a Config: the option `lower` is at most the option `upper` where both have a value."""

    def check(config: Any) -> Any:
        low, high = getattr(config, lower), getattr(config, upper)
        if low is not None and high is not None and low > high:
            raise ValueError(f"{lower} is {low:g} and {upper} is {high:g}; expected {lower} at most {upper}")
        return config

    return model_validator(mode="after")(check)
