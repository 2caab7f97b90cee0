"""Checks that Redis answers, is new enough, and evicts nothing."""

from typing import Any

import redis

from admin.doctor.patient import Patient, Unwell
from core.telling.stream import REDIS_ERRORS, connect

OLDEST_MAJOR = 7
POLICY = "noeviction"


def check_stream(patient: Patient) -> str:
    """Checks Redis. Without it everything works, only slower. With another eviction policy it
    forgets events."""
    client = connect(patient.settings)
    try:
        infos = _infos(client, patient.settings.redis_cluster)
    except REDIS_ERRORS as error:
        raise Unwell(
            f"it does not answer ({type(error).__name__}): jobs and watches are slower until "
            "Valkey or Redis runs at RUSHES_REDIS_URL"
        ) from None
    finally:
        client.close()
    return "; ".join(sorted({_judge(info) for info in infos}))


def _infos(client: redis.Redis, cluster: bool) -> list[dict[str, Any]]:
    answer: Any = client.info()
    return list(answer.values()) if cluster and "redis_version" not in answer else [answer]


def _judge(info: dict[str, Any]) -> str:
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = str(info.get("valkey_version") or info.get("redis_version", "0"))
    if int(version.split(".")[0]) < OLDEST_MAJOR:
        raise Unwell(f"{name} {version} is too old: version {OLDEST_MAJOR} or newer is needed")
    policy = info.get("maxmemory_policy", POLICY)
    if policy != POLICY:
        raise Unwell(f"{name} has maxmemory-policy {policy}: set {POLICY}, or it drops events")
    return f"{name} {version}, {POLICY}"
