"""I25: nothing is served after a share's end, and a share that lasts is there.

A look counts as after the end when it was begun after the server said that the share has ended, or
after its time. It counts as before when it was over before anybody was about to end the share.
"""

from collections.abc import Iterator

from tests.crash.checker.evidence import Evidence, Finding
from tests.crash.history import Line

SHOWN = range(200, 400)
HIDDEN = (403, 404)


def nothing_is_served_after_a_share_s_end(evidence: Evidence) -> Iterator[Finding]:
    """I25: by what visitors saw, and by the rows of the bin."""
    links = _told(evidence, "link")
    ending, ended = _told(evidence, "ending"), _told(evidence, "ended")
    for look in evidence.kinds("look"):
        link = links.get(look["share"])
        if link is None:
            continue
        end, begun = ended.get(look["share"]), ending.get(look["share"])
        late = evidence.clocks_agree and look["asked_ms"] > link["expires"]
        if look["status"] in SHOWN and (late or (end is not None and look["asked"] > end["t"])):
            yield Finding("a link was served after its end", [link, *([end] if end else []), look])
        early = evidence.clocks_agree and look["wall"] < link["expires"]
        if look["status"] in HIDDEN and early and (begun is None or look["t"] < begun["t"]):
            yield Finding("a link that lasts was not served", [link, look])
    binned = {row["media_id"]: row for row in evidence.final.media if row["delete_time"]}
    for row in evidence.final.share:
        item = binned.get(row["media_id"])
        if item and not row["ended"] and row["end_time"] > item["delete_time"]:
            yield Finding("a share outlives its item", [item, row])


def _told(evidence: Evidence, kind: str) -> dict[str, Line]:
    """Shares to what was told of them, since the last restore."""
    lines = evidence.kinds(kind)
    return {line["share"]: line for line in lines if line["t"] > evidence.restored_at}
