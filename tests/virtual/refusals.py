"""Ways of the cloud to say no that pass, by the name that plans have for them."""

from __future__ import annotations

from collections.abc import Mapping

from hack.cluster.arm.faults import Fault, Match, Rule

CORES = "Operation results in exceeding approved standardNCSv3Family Cores quota"
CREATING = "Operation is not allowed because there's an in progress create node pool operation"
PUT, DELETE, LIST = (Match(operation=each) for each in ("PUT", "DELETE", "LIST"))
REFUSALS: Mapping[str, Rule] = {
    "quota": Rule(fault=Fault.QUOTA),
    "quota-later": Rule(fault=Fault.ALLOCATION, code="QuotaExceeded", message=CORES),
    "cores-later": Rule(fault=Fault.ALLOCATION, code="OperationNotAllowed", message=CORES),
    "allocation": Rule(fault=Fault.ALLOCATION),
    "zonal": Rule(fault=Fault.ALLOCATION, code="ZonalAllocationFailed"),
    "overconstrained": Rule(fault=Fault.ALLOCATION, code="OverconstrainedAllocationRequest"),
    "constrained-zone": Rule(fault=Fault.ALLOCATION, code="OverconstrainedZonalAllocationRequest"),
    "conflict": Rule(fault=Fault.CONFLICT, match=PUT),
    "conflict-going": Rule(fault=Fault.CONFLICT, match=DELETE),
    "creating": Rule(
        fault=Fault.REFUSE, match=PUT, status=409, code="OperationNotAllowed", message=CREATING
    ),
    "throttle": Rule(fault=Fault.THROTTLE, match=PUT),
    "throttle-going": Rule(fault=Fault.THROTTLE, match=DELETE),
    "throttle-long": Rule(fault=Fault.THROTTLE, match=PUT, retry_after_seconds=120),
    "throttle-list": Rule(fault=Fault.THROTTLE, match=LIST),
    "denied": Rule(fault=Fault.DENIED, match=PUT),
    "denied-list": Rule(fault=Fault.DENIED, match=LIST),
    "unavailable": Rule(fault=Fault.UNAVAILABLE, match=PUT),
    "unavailable-list": Rule(fault=Fault.UNAVAILABLE, match=LIST),
}
