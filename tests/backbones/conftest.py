"""A machine without the internet, as timm sees it."""

from typing import Any

import pytest
import timm


@pytest.fixture
def timm_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks can be made, but pretrained weights cannot be downloaded."""
    create = timm.create_model

    def create_model(name: str, pretrained: bool = False, **options: Any) -> Any:
        if pretrained:
            raise OSError("no route to host")
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", create_model)
