"""API keys, usage and budgets through the edge, with two server processes."""

import json
from pathlib import Path

import pytest

from rushes import Client, NotSignedIn
from tests.e2e.command_line import CommandLine
from tests.e2e.rest import Rest, reason
from tests.e2e.running import Running, environment
from tests.services import wait_for

IMAGE = {"spec": {"prompt": "a paper boat", "model": "simulator-image"}}


@pytest.fixture
def rushes(run: Running, user: str, tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, environment(run.data, RUSHES_USER=user))


def test_a_key_is_made_used_and_revoked_everywhere(
    run: Running, rushes: CommandLine, rest: Rest, user: str
) -> None:
    # Given a key that the command line made
    made = rushes("keys", "create", "nightly", "--scope", "jobs.read", "--scope", "jobs.write")
    secret = made.out.strip()
    by_key = Rest(run.port, secret)

    # Then it works by REST, in the client and on the command line, and does no more than it may
    job_id = by_key("POST /v1/images:generate", IMAGE).json["job"]["jobId"]
    assert rest(f"GET /v1/jobs/{job_id}?wait=30s").json["job"]["userId"] == user
    listed = rushes("jobs", "--token", secret)
    assert (listed.code, job_id in listed.out) == (0, True)
    refused = by_key("GET /v1/media")
    assert (refused.status, reason(refused.json)) == (403, "SCOPE_MISSING")

    # When its watch is open and it is revoked
    [kept] = rest("GET /v1/apiKeys").json["apiKeys"]
    assert (kept["secretPrefix"], kept["label"]) == (secret[:12], "nightly")
    with (
        Client(f"localhost:{run.port}", secret) as client,
        client.watch(timeout=60) as events,
    ):
        next(iter(events))
        answer = rest(f"POST /v1/apiKeys/{kept['apiKeyId']}:revoke", {})
        assert answer.json["apiKey"]["revokeTime"]

        # Then its watch ends with that reason, and both processes refuse it
        with pytest.raises(NotSignedIn, match="revoked"):
            for _ in events:
                pass

    def refused_again_and_again() -> bool:
        answers = [by_key("GET /v1/jobs") for _ in range(10)]
        reasons = {reason(a.json) for a in answers if a.status == 401}
        return [a.status for a in answers] == [401] * 10 and reasons == {"CREDENTIALS_INVALID"}

    wait_for(refused_again_and_again, "every process to refuse the key")


def test_usage_and_budget_are_told_by_rest_and_on_the_command_line(
    rushes: CommandLine, rest: Rest
) -> None:
    job_id = rest("POST /v1/images:generate", IMAGE).json["job"]["jobId"]
    assert rest(f"GET /v1/jobs/{job_id}?wait=30s").json["job"]["state"] == "SUCCEEDED"

    told = rest("GET /v1/usage?group_by=DAY&groupBy=MODEL").json
    assert [row["model"] for row in told["rows"]] == ["simulator-image"]
    assert told["total"]["succeededCount"] == "1"
    wrong = rest("GET /v1/usage?group_by=LABEL")
    assert (wrong.status, reason(wrong.json)) == (400, "FIELD_INVALID")

    printed = rushes("usage", "--by", "model", "--json").out
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [line.get("model", "") for line in lines] == ["simulator-image", ""]
    day, month = rest("GET /v1/budget").json["budgets"]
    assert (day["period"], month["period"], day["alertPercents"]) == ("DAY", "MONTH", [50, 80, 100])
    assert rushes("budget").out.startswith("day\t")
    other = rushes("budget", "--of", "somebody")
    assert (other.code, "admin" in other.err) == (3, True)
