"""Settings of given variables, what they warn of, and what is wrong with them."""

from __future__ import annotations

import pytest

from baseline_v1_live.config import ConfigError, Settings, load_settings


def settings(**environ: str) -> Settings:
    return load_settings(None, environ)[0]


def warnings(**environ: str) -> tuple[str, ...]:
    return load_settings(None, environ)[1]


def mistakes(**environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_settings(None, environ)
    return caught.value.lines
