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


def test_who_used_an_idle_queue_alone_owes_nothing_to_who_comes_later(db: Database) -> None:
    # Given a hundred jobs of alice's that ran while nobody else wanted any
    for _ in range(100):
        accepted(db, "alice")
        end(db, run(db))

    # When two others keep two jobs waiting each, and alice wants one
    for user in ("bob", "carol"):
        accepted(db, user)
        accepted(db, user)
    accepted(db, "alice")

    # Then it starts in the second round: she was served in the first
    order = []
    for _ in range(5):
        done = run(db)
        order.append(done.run.user_id)
        end(db, done)
    assert "alice" in order


def test_many_jobs_in_one_queue_cost_no_turn_in_another(db: Database) -> None:
    # Given a hundred videos of alice's that wait, and images of bob's that wait and run
    for _ in range(100):
        accepted(db, "alice")
    for _ in range(20):
        accepted(db, "bob", spec=IMAGE)
    for _ in range(3):
        found = claims.claim(db, "image", "worker", 60_000, 100)
        assert found is not None
        transitions.start(db, found.run, 100)

    # When alice wants an image, then two places at most are before it
    mine = accepted(db, "alice", spec=IMAGE).job.job_id
    next_ones = [claims.claim(db, "image", "worker", 60_000, 100) for _ in range(3)]
    assert mine in [found.run.job_id for found in next_ones if found is not None]


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
