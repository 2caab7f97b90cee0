"""Checks that callers reach the address that they are given."""

import http.client
import socket
import urllib.error
import urllib.request

from admin.doctor.patient import Patient, Unwell

SECONDS = 5.0
# Ignores the proxies of this shell, which are not between callers and the edge.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def check_edge(patient: Patient) -> str:
    """Checks that /healthz answers, or the gRPC port of a run without an edge."""
    if patient.state is not None and not patient.state.get("edge"):
        return _check_port(str(patient.state["server"]))
    address = patient.address
    try:
        with _OPENER.open(f"{address}/healthz", timeout=SECONDS):
            return f"{address} answers"
    except urllib.error.HTTPError as error:
        raise Unwell(
            f"{address}/healthz says {error.code}: no server is ready; `rushes logs`"
        ) from None
    except (OSError, http.client.HTTPException, ValueError):
        raise Unwell(
            f"nobody answers at {address}: start it (`make up`), or set RUSHES_PUBLIC_URL"
        ) from None


def _check_port(server: str) -> str:
    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host, int(port)), SECONDS).close()
    except OSError:
        raise Unwell(f"nobody answers at {server}: `rushes logs`") from None
    return f"{server} answers (gRPC only: there is no Envoy for this platform)"
