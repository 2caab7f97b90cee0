"""Checks how much of their quota users keep."""

from admin.doctor.patient import Patient
from core.store import usage

MIB = 1024 * 1024


def check_storage(patient: Patient) -> str:
    """Says how many users are at the quota. That is no fault: they are told, and can delete."""
    limit = patient.settings.user_storage_megabytes
    if not limit:
        return "users may keep any amount (RUSHES_USER_STORAGE_MEGABYTES)"
    full = usage.count_users(patient.database(), limit * MIB)
    return f"each user may keep {limit} MiB; {full} keep as much: `rushes-admin storage show`"
