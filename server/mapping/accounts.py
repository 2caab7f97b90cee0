"""Messages of AccountService from domain values."""

from core.api_keys import ApiKey
from core.store.budgets import Budget
from core.store.usage_days import Usage
from rushes.v1 import account_service_pb2 as pb
from rushes.v1 import budget_pb2
from server.mapping.values import enum_value, money, timestamp


def usage_to_proto(usage: Usage, currency: str) -> pb.Usage:
    """One group, or the total."""
    return pb.Usage(
        day=usage.day,
        model=usage.model,
        label_value=usage.label_value,
        user_id=usage.user_id,
        charged=money(usage.charged, currency),
        reserved=money(usage.reserved, currency),
        uncertain=money(usage.uncertain, currency),
        unfinished_count=usage.unfinished,
        succeeded_count=usage.succeeded,
        failed_count=usage.failed,
        cancelled_count=usage.cancelled,
    )


def budget_to_proto(
    budget: Budget, user_id: str, alert_percents: tuple[int, ...], currency: str
) -> budget_pb2.Budget:
    """A budget that binds the user alone."""
    return budget_pb2.Budget(
        owner=budget_pb2.Budget.USER,
        user_id=user_id,
        period=enum_value(budget_pb2.Budget.Period, budget.period.name),
        limit=money(budget.limit_micros, currency),
        inherited=budget.inherited,
        spent=money(budget.spent_micros, currency),
        reserved=money(budget.reserved_micros, currency),
        reset_time=timestamp(budget.reset_time),
        alert_percents=alert_percents,
    )


def key_to_proto(key: ApiKey) -> pb.ApiKey:
    """The key as its user sees it."""
    return pb.ApiKey(
        api_key_id=key.api_key_id,
        label=key.label,
        secret_prefix=key.secret_prefix,
        scopes=key.scopes,
        create_time=timestamp(key.create_time),
        expire_time=timestamp(key.expire_time),
        last_use_time=timestamp(key.last_use_time),
        revoke_time=timestamp(key.revoke_time),
    )
