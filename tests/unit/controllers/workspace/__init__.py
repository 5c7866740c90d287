"""Tests of unit/controllers/workspace."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.promises")
