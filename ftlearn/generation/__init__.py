"""A language model writes: texts for prompts, a stream of pieces, and measures of what it wrote.

``Decoding`` says how the next token is chosen, ``generate`` answers a list of prompts in batches,
``stream`` yields the pieces of one answer as they are made, and ``measures`` counts repetition,
copies and stops.
"""

from ftlearn.generation import measures
from ftlearn.generation.decoding import Decoding
from ftlearn.generation.generating import Generated, generate
from ftlearn.generation.streaming import stream

__all__ = ["Decoding", "Generated", "generate", "measures", "stream"]
