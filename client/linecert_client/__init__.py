"""linecert's thin client: certificates for the devices of a manufacturing line.

with Client.from_folder("clients/station-01") as client:
    print(client.sign(csr).full_chain_pem())
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from linecert_client.client import Client
    from linecert_client.config import Address, ClientConfig
    from linecert_client.credentials import Credential
    from linecert_client.device_requests import DeviceRequest
    from linecert_client.errors import (
        ConfigurationError,
        DeadlineExceeded,
        InputFileError,
        LinecertError,
        OutputError,
        Refused,
        TlsError,
        Unavailable,
        Unreachable,
    )
    from linecert_client.filters import Filter
    from linecert_client.log_results import Event, InclusionProof, LogEntry, LogInfo, SummaryRow
    from linecert_client.results import (
        Chain,
        IssuedCertificate,
        IssuedDevice,
        Issuers,
        Page,
        Profile,
        ReplacementReason,
    )
    from linecert_client.work_orders import ExpectedDevice, ImportResult, WorkOrder

__all__ = [
    "Address",
    "Chain",
    "Client",
    "ClientConfig",
    "ConfigurationError",
    "Credential",
    "DeadlineExceeded",
    "DeviceRequest",
    "Event",
    "ExpectedDevice",
    "Filter",
    "ImportResult",
    "InclusionProof",
    "InputFileError",
    "IssuedCertificate",
    "IssuedDevice",
    "Issuers",
    "LinecertError",
    "LogEntry",
    "LogInfo",
    "OutputError",
    "Page",
    "Profile",
    "Refused",
    "ReplacementReason",
    "SummaryRow",
    "TlsError",
    "Unavailable",
    "Unreachable",
    "WorkOrder",
]

# Loaded when first used: the command line must set GRPC_VERBOSITY before gRPC is imported, and this module runs first.
_HOMES: Final = {
    "Client": "client",
    **dict.fromkeys(("Address", "ClientConfig"), "config"),
    "Credential": "credentials",
    "DeviceRequest": "device_requests",
    **dict.fromkeys(
        (
            "ConfigurationError",
            "DeadlineExceeded",
            "InputFileError",
            "LinecertError",
            "OutputError",
            "Refused",
            "TlsError",
            "Unavailable",
            "Unreachable",
        ),
        "errors",
    ),
    "Filter": "filters",
    **dict.fromkeys(("Event", "InclusionProof", "LogEntry", "LogInfo", "SummaryRow"), "log_results"),
    **dict.fromkeys(
        ("Chain", "IssuedCertificate", "IssuedDevice", "Issuers", "Page", "Profile", "ReplacementReason"), "results"
    ),
    **dict.fromkeys(("ExpectedDevice", "ImportResult", "WorkOrder"), "work_orders"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
