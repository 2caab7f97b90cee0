"""The services of the contract, read from the descriptor set."""

from pathlib import Path

from google.protobuf import descriptor_pb2

PACKAGE = "rushes.v1"


def read_services(descriptors: Path) -> dict[str, list[str]]:
    """The methods of each service of the contract, by the service's full name."""
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptors.read_bytes()).file
    return {
        f"{PACKAGE}.{service.name}": [method.name for method in service.method]
        for file in files
        if file.package == PACKAGE
        for service in file.service
    }
