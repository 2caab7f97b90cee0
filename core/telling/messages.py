"""A wake-up as one Redis command, which a caller may send together with others.

Keys: all are under Dramatiq's namespace `{rushes}`; the braces keep them on one node of a cluster.
`{rushes}:<queue>` lists the messages that no worker took yet, `{rushes}:<queue>.msgs` has what they
say. `{rushes}:<queue>:wake` has an entry for each new message.
`{rushes}:deliveries:wake` has an entry for each change that has made deliveries to webhooks.
"""

import uuid
from typing import Any

import dramatiq
import redis

NAMESPACE = "{rushes}"
ACTOR = "run_next"
MAX_WAKES = 64
DELIVERIES_KEY = f"{NAMESPACE}:deliveries:wake"
# Queues messages as Dramatiq does, and an entry for a consumer that waits. Without looking first,
# a caller would need a second round trip to keep the queue short. It is sent whole each time,
# because a Redis that was wiped knows no script; it is shorter than the message.
_WAKE_UPS = """
local room = tonumber(ARGV[1]) - redis.call("LLEN", KEYS[1])
for at = 2, math.min(#ARGV, 2 * room), 2 do
    redis.call("HSET", KEYS[2], ARGV[at], ARGV[at + 1])
    redis.call("RPUSH", KEYS[1], ARGV[at])
    redis.call("RPUSH", KEYS[3], 1)
    redis.call("LTRIM", KEYS[3], -ARGV[1], -1)
end
"""


def add_wake_ups(client: redis.Redis, queue: str, count: int = 1) -> None:
    """Says that so many jobs wait in the queue, until MAX_WAKES wake-ups wait there.

    A pipeline as `client` sends it with what else it holds.
    """
    keys = (queue_key(queue), f"{queue_key(queue)}.msgs", wake_key(queue))
    messages = [part for _ in range(min(count, MAX_WAKES)) for part in _message(queue)]
    arguments = (MAX_WAKES, *messages)
    # Not by the method `eval`, which a cluster's pipeline lacks.
    client.execute_command("EVAL", _WAKE_UPS, len(keys), *keys, *arguments, **_node(client, queue))


def add_delivery_wake_up(pipe: redis.Redis) -> None:
    """Says that deliveries to webhooks wait, to one worker that waits for that."""
    pipe.rpush(DELIVERIES_KEY, 1)
    pipe.ltrim(DELIVERIES_KEY, -MAX_WAKES, -1)


def _message(queue: str) -> tuple[str, bytes]:
    """The id and the bytes of a new message."""
    message_id = str(uuid.uuid4())
    message: dramatiq.Message[Any] = dramatiq.Message(
        queue_name=queue,
        actor_name=ACTOR,
        args=(queue,),
        kwargs={},
        options={"redis_message_id": message_id},
    )
    return message_id, message.encode()


def _node(client: redis.Redis, queue: str) -> dict[str, Any]:
    """Where the queue's keys are. The client of a cluster would ask it for the keys of a script."""
    if isinstance(client, redis.RedisCluster):
        return {"target_nodes": client.get_node_from_key(queue_key(queue))}
    return {}


def queue_key(queue: str) -> str:
    """The key of the list of messages that no worker took yet."""
    return f"{NAMESPACE}:{queue}"


def wake_key(queue: str) -> str:
    """The key of the list on which a consumer waits."""
    return f"{NAMESPACE}:{queue}:wake"
