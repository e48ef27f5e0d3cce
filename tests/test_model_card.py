"""The model card's front matter is what the Hugging Face hub reads, with the page's own numbers."""

from pathlib import Path

import pytest

from deformgan.checkpoint import bundled_weights

CARD = Path(__file__).resolve().parents[1] / "docs" / "model-card.md"


def test_the_hub_reads_the_card_and_its_numbers_are_those_of_the_tables():
    library = pytest.importorskip("huggingface_hub", reason="needs the extra 'hub'")
    data, text = library.ModelCard.load(CARD).data, CARD.read_text(encoding="utf-8")
    assert (data.library_name, data.pipeline_tag) == ("deformgan", "image-to-image")
    assert data.license == "other"
    assert data.license_name
    assert (CARD.parent / data.license_link).is_file()
    tables = text.partition("\n---\n")[2]
    (entry,) = data.to_dict()["model-index"]  # the library knows one model per card
    assert entry["name"] in bundled_weights()
    _, _, section = tables.partition(f"# Model card: `{entry['name']}`")
    section, _, _ = section.partition("\n# Model card")
    metrics = [metric for result in entry["results"] for metric in result["metrics"]]
    assert metrics
    for metric in metrics:
        assert f"{metric['value']:.3f}".lstrip("0") in section, metric


def test_every_weights_file_has_a_card():
    text = CARD.read_text(encoding="utf-8")
    for name in bundled_weights():
        assert f"# Model card: `{name}`" in text
