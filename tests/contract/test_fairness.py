"""The order of claims when one user has far more jobs than the others."""

from core.store import Database, claims, transitions
from core.store.claims import Claim
from tests.making import IMAGE, accepted, new_media

MANY, CAP = 200, 2


def claim(db: Database) -> Claim | None:
    return claims.claim(db, "video", "worker", 60_000, CAP)


def run(db: Database) -> Claim:
    found = claim(db)
    assert found is not None
    assert transitions.start(db, found.run, CAP) is not None
    return found


def end(db: Database, done: Claim) -> None:
    item = new_media(done.run.user_id, job_id=done.run.job_id, output_index=0)
    transitions.succeed(db, done.run, item)


def test_users_take_turns_however_many_jobs_one_has(db: Database) -> None:
    # Given many jobs of alice's, then few of two others
    for user, count in (("alice", MANY), ("bob", 3), ("carol", 2)):
        for _ in range(count):
            accepted(db, user)

    # When one after the other runs
    order = []
    for _ in range(8):
        done = run(db)
        order.append(done.run.user_id)
        end(db, done)

    # Then each round has one job of each user that has one
    rounds = [sorted(order[:3]), sorted(order[3:6]), sorted(order[6:])]
    assert rounds == [["alice", "bob", "carol"]] * 2 + [["alice", "bob"]]


def test_a_user_at_its_cap_holds_nobody_up(db: Database) -> None:
    # Given alice's jobs first in the line, as many of them running as may
    for _ in range(MANY):
        accepted(db, "alice")
    runs = [run(db) for _ in range(CAP)]
    assert claims.claimable(db, "video", CAP, 64) == 0
    assert claim(db) is None

    # When bob's come, they start, and no others
    for _ in range(CAP + 1):
        accepted(db, "bob")
    assert [run(db).run.user_id for _ in range(CAP)] == ["bob"] * CAP
    assert claim(db) is None

    # And an end makes room for one
    end(db, runs[0])
    assert claims.claimable(db, "video", CAP, 2 * MANY) == MANY - CAP
    assert run(db).run.user_id == "alice"
    assert claim(db) is None


def test_the_cap_is_of_all_queues_together(db: Database) -> None:
    for _ in range(CAP):
        accepted(db, "alice")
        run(db)
    accepted(db, "alice", spec=IMAGE)
    assert claims.claim(db, "image", "worker", 60_000, CAP) is None
