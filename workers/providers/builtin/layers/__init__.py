"""The parts that scenes are put together from, each painted over what lies behind it."""
