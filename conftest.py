"""Loads the packages whose name is also a top folder's, before pytest takes `deploy/tests/...` for part of `deploy`."""

import demo
import deploy
import gateway
import sandbox
import shared

__all__ = ["demo", "deploy", "gateway", "sandbox", "shared"]
