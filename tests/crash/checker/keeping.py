"""I16: what is in the library is whole, and nothing else is in the store."""

from collections import defaultdict
from collections.abc import Iterator

from tests.crash.checker.evidence import Evidence, Finding

PUBLISHED = "media/"


def results_are_whole(evidence: Evidence) -> Iterator[Finding]:
    """I16: SUCCEEDED has every output; each item's bytes are there, with its size and digest. What
    a job made has its recipe, and no recipe is of anything else.

    Orphaned bytes are younger than a day in any run of this suite: the purge must leave them alone.
    """
    blobs = {blob["key"]: blob for blob in evidence.final.blob}
    made = defaultdict(list)
    for item in evidence.final.media:
        made[item["job_id"]].append(item)
        blob = blobs.get(item["blob_key"])
        if blob is None:
            yield Finding("an item without bytes", [item])
        elif (blob["size"], blob["sha256"]) != (item["size_bytes"], item["sha256"]):
            yield Finding("an item's bytes are not its own", [item, blob])
        if item["thumbnail_key"] and item["thumbnail_key"] not in blobs:
            yield Finding("an item without its thumbnail", [item])
    recipes = {recipe["media_id"]: recipe for recipe in evidence.final.recipe}
    for item in evidence.final.media:
        if not recipes.pop(item["media_id"], None) and item["job_id"]:
            yield Finding("an output without its recipe", [item])
    for recipe in recipes.values():
        yield Finding("a recipe outlives its item", [recipe])
    for job in evidence.final.job:
        if job["state"] == "SUCCEEDED":
            indexes = sorted(item["output_index"] for item in made[job["job_id"]])
            if indexes != list(range(job["output_count"])):
                yield Finding(
                    f"a job succeeded with outputs {indexes} of {job['output_count']}", [job]
                )
