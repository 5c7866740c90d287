"""The demo shows tables of kubectl, and fails when one of them says something else."""

from __future__ import annotations

import pytest

from hack.cluster.demo.story import check_shown
from hack.cluster.failures import ClusterFailed

TABLE = "NAME   READY   AGE\nphi    True    3s\n"


def test_a_table_that_says_what_it_should_passes() -> None:
    check_shown("the workspace", TABLE, {"NAME": "phi", "READY": "True", "AGE": ""})


def test_another_cell_is_told() -> None:
    with pytest.raises(ClusterFailed, match="the workspace shows True under READY, not False"):
        check_shown("the workspace", TABLE, {"READY": "False"})


@pytest.mark.parametrize("table", [TABLE, "NAME   READY   AGE\n"])
def test_a_missing_column_or_row_is_told(table: str) -> None:
    with pytest.raises(ClusterFailed, match="shows nothing under INSTANCE"):
        check_shown("the workspace", table, {"INSTANCE": ""})
