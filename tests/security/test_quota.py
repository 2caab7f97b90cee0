"""One user's inputs and results take so much and no more."""

import os
from collections.abc import Callable

from core.store import media
from rushes.v1 import job_pb2
from rushes.v1 import media_service_pb2 as pb
from tests.house import House
from tests.making import new_media

StartHouse = Callable[..., House]
MIB = 1024 * 1024


def with_input(size: int) -> pb.GenerateImageRequest:
    """A request with so many bytes that are no picture: a server that decoded them would say so."""
    spec = job_pb2.ImageSpec(prompt="a boat")
    spec.references.add(content=b"\x89PNG\r\n\x1a\n" + os.urandom(size))
    return pb.GenerateImageRequest(spec=spec)


def test_a_full_library_refuses_before_anything_is_decoded(start: StartHouse) -> None:
    # Given a user whose items take nearly all that they may
    house = start(user_storage_megabytes=1)
    alice, bob = house.caller("alice"), house.caller("bob")
    item = new_media("alice", size_bytes=MIB - 1000)
    media.add(house.db, item)

    # When he sends more than there is room for, then it is refused with both figures
    refusal = alice.refused("GenerateImage", with_input(2000))
    assert refusal.reason == "STORAGE_FULL"
    assert refusal.metadata == {"limit": "1 MiB", "used": "1.0 MiB"}
    assert alice.refused("GenerateImage", with_input(100)).reason == "INPUT_MEDIA_INVALID"
    assert bob.refused("GenerateImage", with_input(2000)).reason == "INPUT_MEDIA_INVALID"

    # And nothing is accepted any more when all is taken, until he deletes something for good
    media.add(house.db, new_media("alice", size_bytes=1000))
    plain = pb.GenerateImageRequest(spec=job_pb2.ImageSpec(prompt="a boat"))
    assert alice.refused("GenerateImage", plain).reason == "STORAGE_FULL"
    alice.call("DeleteMedia", pb.DeleteMediaRequest(media_id=item.media_id, permanent=True))
    alice.call("GenerateImage", plain)


def test_without_a_quota_nothing_is_refused(start: StartHouse) -> None:
    house = start()
    media.add(house.db, new_media("alice", size_bytes=10**15))

    plain = pb.GenerateImageRequest(spec=job_pb2.ImageSpec(prompt="a boat"))
    house.caller("alice").call("GenerateImage", plain)
