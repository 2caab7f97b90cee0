"""Servers on loopback that answer as the real providers do; none of them costs anything.

Each runs in a test (`with OpenAIFake(folder) as fake: fake.url`) and as a program
(`python -m tests.fakes.openai --port 0 --ledger FILE`). `serve` is what they share; `faults` lists
what can be made to go wrong, by words in the prompt or by `fake.fault(word)`.
"""
