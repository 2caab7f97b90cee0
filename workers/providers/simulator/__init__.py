"""The simulator: a paid provider of play money that does what words in the prompt say."""

from workers.providers.simulator.provider import SimulatorProvider

__all__ = ["SimulatorProvider"]
