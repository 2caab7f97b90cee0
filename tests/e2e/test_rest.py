"""REST as curl and scripts use it, errors included."""

from typing import Any

import pytest

from rushes import Client
from tests.e2e.rest import Rest, reason
from tests.e2e.running import Running

IMAGE = {"spec": {"prompt": "a paper boat", "size": "256x256"}}
VIDEO = {"spec": {"prompt": "sea", "duration": "10s"}}
UNKNOWN_ID = "01a1f972-0ca4-73b4-9c69-209cd3af9dc8"


def test_a_job_is_submitted_waited_for_and_listed(rest: Rest, user: str) -> None:
    accepted = rest("POST /v1/images:generate", IMAGE)
    assert accepted.status == 200
    assert accepted.headers["content-type"] == "application/json"
    job_id = accepted.json["job"]["jobId"]

    job = rest(f"GET /v1/jobs/{job_id}?wait=30s").json["job"]
    listed = rest("GET /v1/jobs?states=SUCCEEDED&page_size=1").json["jobs"]
    events = rest(f"GET /v1/jobs/{job_id}/events").json["events"]
    media = rest("GET /v1/media?type=IMAGE").json["media"]

    assert (job["state"], job["userId"]) == ("SUCCEEDED", user)
    assert job["image"] == {**IMAGE["spec"], **job["image"]}
    assert job["outputs"][0]["sizeBytes"].isdigit()
    assert [item["jobId"] for item in listed] == [job_id]
    assert [event["job"]["type"] for event in events] == ["QUEUED", "STARTED", "SUCCEEDED"]
    assert [item["mediaId"] for item in media] == [job["outputs"][0]["mediaId"]]


def test_a_job_is_cancelled_and_submitted_again(rest: Rest) -> None:
    job_id = rest("POST /v1/videos:generate", VIDEO).json["job"]["jobId"]

    cancelled = rest(f"POST /v1/jobs/{job_id}:cancel", {"reason": "changed my mind"})
    job = rest(f"GET /v1/jobs/{job_id}?wait=30s").json["job"]
    again = rest(f"POST /v1/jobs/{job_id}:retry", {}).json["job"]
    rest(f"POST /v1/jobs/{again['jobId']}:cancel")

    assert cancelled.status == 200
    assert (job["state"], job["cancelReason"]) == ("CANCELLED", "changed my mind")
    assert (again["retryOf"], again["video"]) == (job_id, job["video"])


def test_the_library_is_changed_by_rest(rest: Rest, client: Client) -> None:
    job = client.wait(client.generate_image("a paper boat", size="256x256").job_id)
    path = f"/v1/media/{job.outputs[0].media_id}"

    changed = rest(f"PATCH {path}", {"title": "Boat", "starred": True}).json["media"]
    starred = rest("GET /v1/media?starred=true").json["media"]
    binned = rest(f"DELETE {path}")
    in_bin = rest("GET /v1/media?deleted=true").json["media"]
    restored = rest(f"POST {path}:undelete").json["media"]
    erased = rest(f"DELETE {path}?permanent=true")

    assert (changed["title"], changed["starred"]) == ("Boat", True)
    assert [item["mediaId"] for item in starred] == [item["mediaId"] for item in in_bin]
    assert binned.json["media"]["purgeTime"]
    assert "url" not in binned.json["media"]
    assert restored["url"]
    assert erased.json == {}
    assert rest(f"GET {path}").status == 404


def test_what_is_tried_is_not_stored(rest: Rest) -> None:
    tried = rest("POST /v1/images:generate", {**IMAGE, "options": {"validateOnly": True}})

    assert tried.status == 200
    assert tried.json["job"]["model"] == "builtin-image"
    assert "jobs" not in rest("GET /v1/jobs").json


def test_a_misspelt_option_is_named_and_spends_nothing(rest: Rest) -> None:
    answer = rest("POST /v1/images:generate", {**IMAGE, "options": {"validateOnyl": True}})

    assert (answer.status, reason(answer.json)) == (400, "FIELD_INVALID")
    assert answer.json["details"][0]["metadata"] == {"field": "options.validateOnyl"}
    assert "validateOnly" in answer.json["message"]
    assert answer.headers["x-request-id"]
    assert "jobs" not in rest("GET /v1/jobs").json


def test_a_misspelt_query_parameter_is_named(rest: Rest) -> None:
    answer = rest("GET /v1/jobs?statez=SUCCEEDED")

    assert (answer.status, reason(answer.json)) == (400, "FIELD_INVALID")
    assert '"statez"' in answer.json["message"]


@pytest.mark.parametrize(
    ("line", "body", "status", "code", "wanted"),
    [
        ("GET /v1/jobs/not-an-id", None, 400, 3, "FIELD_INVALID"),
        (f"GET /v1/jobs/{UNKNOWN_ID}", None, 404, 5, "RESOURCE_NOT_FOUND"),
        (f"GET /v1/media/{UNKNOWN_ID}", None, 404, 5, "RESOURCE_NOT_FOUND"),
        (f"GET /v1/jobs:watch?job_ids={UNKNOWN_ID}", None, 404, 5, "RESOURCE_NOT_FOUND"),
        ("POST /v1/images:generate", {"spec": {"prompt": ""}}, 400, 3, "FIELD_INVALID"),
        ("GET /v1/jobs?page_token=broken", None, 400, 3, "PAGE_TOKEN_INVALID"),
    ],
)
def test_what_the_server_refuses_has_the_one_shape(
    rest: Rest, line: str, body: Any, status: int, code: int, wanted: str
) -> None:
    answer = rest(line, body)

    assert answer.status == status
    assert (answer.json["code"], reason(answer.json)) == (code, wanted)


@pytest.mark.parametrize(
    ("line", "body", "status", "code", "wanted"),
    [
        ("GET /nothing", None, 404, 5, "RESOURCE_NOT_FOUND"),
        ("PUT /v1/jobs", None, 404, 5, "RESOURCE_NOT_FOUND"),
        ("GET /v1/jobs?nope=1", None, 400, 3, "FIELD_INVALID"),
        ("POST /v1/images:generate", b"{garbage", 400, 3, "FIELD_INVALID"),
        ("POST /v1/images:generate", {"spec": {"seed": "many"}}, 400, 3, "FIELD_INVALID"),
    ],
)
def test_what_the_edge_refuses_has_the_one_shape(
    rest: Rest, line: str, body: Any, status: int, code: int, wanted: str
) -> None:
    answer = rest(line, body)

    assert answer.status == status
    assert (answer.json["code"], reason(answer.json)) == (code, wanted)


@pytest.mark.parametrize(
    ("token", "wanted"), [("", "CREDENTIALS_MISSING"), ("abc", "CREDENTIALS_INVALID")]
)
def test_without_a_good_token_nothing_is_told(run: Running, token: str, wanted: str) -> None:
    answer = Rest(run.port, token)("GET /v1/jobs")

    assert answer.status == 401
    assert (answer.json["code"], reason(answer.json)) == (16, wanted)


def test_another_users_job_is_not_there(run: Running, rest: Rest) -> None:
    job_id = rest("POST /v1/images:generate", IMAGE).json["job"]["jobId"]

    answer = run.rest("somebody-else")(f"GET /v1/jobs/{job_id}")

    assert (answer.status, reason(answer.json)) == (404, "RESOURCE_NOT_FOUND")


def test_the_health_page_says_200(run: Running) -> None:
    assert Rest(run.port)("GET /healthz").status == 200


def test_the_page_of_calls_and_its_document_need_no_token(run: Running) -> None:
    nobody = Rest(run.port)
    document = nobody("GET /openapi.json")

    assert (document.status, document.json["openapi"]) == (200, "3.1.0")
    assert nobody("GET /docs").headers["content-type"].startswith("text/html")
    assert nobody("GET /docs/swagger-ui.css").status == 200
    for other in ("/docs/x", "/docsx", "/openapi.json/x"):
        assert (nobody(f"GET {other}").status, reason(nobody(f"GET {other}").json)) == (
            404,
            "RESOURCE_NOT_FOUND",
        )


def test_the_prompt_templates_fill_a_menu(rest: Rest) -> None:
    answer = rest("GET /v1/promptTemplates")

    assert answer.status == 200
    templates = answer.json["promptTemplates"]
    assert {"style_pack", "mood", "cinematography"} == {item["field"] for item in templates}
    assert all(item["name"] and item["description"] and item["text"] for item in templates)
    named = {item["field"]: item["name"] for item in templates if item["field"] == "mood"}
    made = rest("POST /v1/images:generate", {"spec": {**IMAGE["spec"], **named}}).json["job"]
    assert made["image"]["mood"] == named["mood"]


def test_each_model_of_an_estimate_answers_for_itself(rest: Rest) -> None:
    body = {"image": {"prompt": "sea"}, "models": ["builtin-image", "dall-e-3", "gpt-image-9"]}
    fine, retired, unknown = rest("POST /v1/costs:estimate", body).json["estimates"]

    assert fine["affordable"] is True
    assert retired["error"]["reason"] == "MODEL_RETIRED"
    assert unknown["error"]["reason"] == "FIELD_INVALID"
