"""Rights that the main ring does not need, by the reason, each with the ring that sees it used."""

from __future__ import annotations

from tests.rights import Right

BY_SCRAPES = {
    Right("kaito", "create", "tokenreviews.authentication.k8s.io"),
    Right("kaito", "create", "subjectaccessreviews.authorization.k8s.io"),
    Right("provisioner", "create", "tokenreviews.authentication.k8s.io"),
    Right("provisioner", "create", "subjectaccessreviews.authorization.k8s.io"),
}
"""Needed when somebody scrapes: tests/delivery/test_prometheus sees them used."""

AFTER_A_LOSS = {
    *(
        Right("kaito", "get", resource)
        for resource in (
            *("deployments.apps", "statefulsets.apps", "jobs.batch", "pods", "services"),
            *("machines.karpenter.sh", "nodeclaims.karpenter.sh", "workspaces.kaito.sh"),
            "events.events.k8s.io",
        )
    ),
    Right("provisioner", "get", "events.events.k8s.io"),
}
"""What is read back when a name is taken or an answer was lost: tests/delivery/test_read_backs."""

OF_BOTH_KINDS = {
    Right("provisioner", "get", "machines.karpenter.sh"),
    Right("provisioner", "get", "nodeclaims.karpenter.sh"),
}
"""The live look before something is bought, of each Kind: tests/provisioner/test_deadlines."""

BY_SETTING = {
    Right("provisioner", "delete", "machines.karpenter.sh"),
    Right("provisioner", "delete", "nodeclaims.karpenter.sh"),
}
"""Only with --deadline-action=delete: tests/provisioner/test_deadlines."""

OF_A_LATE_CLOUD = {Right("provisioner", "delete", "nodes")}
"""Of a machine whose Node outlives it: tests/provisioner/test_deadlines; elsewhere it does not."""

EXCUSED = BY_SCRAPES | AFTER_A_LOSS | OF_BOTH_KINDS | BY_SETTING | OF_A_LATE_CLOUD
