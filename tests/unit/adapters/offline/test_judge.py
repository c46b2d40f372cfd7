"""Judgements by likeness."""

from adapters.offline.engine import Engine
from adapters.offline.judge import judge

SENTENCES = (
    "The tap at the school has been dry for a week.",
    "Nobody has come to repair the pump.",
    "Children walk to the river for water.",
    "The queue at the clinic takes all day.",
    "Thanks.",
)


def test_what_says_the_same_is_faithful_and_complete_however_many_sentences_it_has(engine: Engine):
    for count in range(1, len(SENTENCES) + 1):
        said = SENTENCES[:count]
        assert judge(" ".join(said), said, engine._embedder) == {"faithfulness": 1.0, "coverage": 1.0, "clarity": 1.0}


def test_what_leaves_things_out_is_faithful_alone_and_what_is_made_up_is_neither(engine: Engine):
    short = judge(SENTENCES[0], SENTENCES, engine._embedder)
    assert short["faithfulness"] == 1.0
    assert short["coverage"] < 0.8
    made_up = judge("The election was won by the blue party.", SENTENCES, engine._embedder)
    assert made_up["faithfulness"] < 0.5
    assert made_up["coverage"] < short["coverage"]
