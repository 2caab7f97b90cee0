"""The simulator: a provider that charges play money and obeys words in the prompt."""

from workers.providers.simulator.provider import SimulatorProvider

__all__ = ["SimulatorProvider"]
