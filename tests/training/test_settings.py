"""Settings by name: from a file, from flags, and what is wrong with them in one line."""

from dataclasses import replace

import pytest

from deformgan.errors import InputError
from deformgan.models.discriminator import DiscriminatorConfig
from deformgan.models.generator import GeneratorConfig
from deformgan.models.layers import LayersConfig
from deformgan.training.config import LossWeights, TrainConfig
from deformgan.training.settings import change_settings, read_flags, read_toml

CONFIG = TrainConfig(
    recipe="test",
    generator=GeneratorConfig(encoder_widths=(4, 6, 8), decoder_widths=(8, 6)),
    discriminator=DiscriminatorConfig(widths=(4, 6)),
    weights=LossWeights(l1=100.0),
)


def change(settings):
    return change_settings(CONFIG, settings, "here")


def complaint_of(settings):
    with pytest.raises(InputError) as caught:
        change(settings)
    said = str(caught.value)
    assert said.startswith("here: ")
    assert said.endswith(".")
    assert "\n" not in said
    return said.removeprefix("here: ")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("steps", "12", 12),
        ("learning_rate", "3e-4", 3e-4),
        ("ema_decay", "0", 0.0),
        ("flip", "true", True),
        ("flip", "no", False),
        ("precision", "auto", "auto"),
        ("draws", "3", 3),
        ("betas", "0.1,0.9", (0.1, 0.9)),
        ("betas", ["0.1", "0.9"], (0.1, 0.9)),
        ("betas", [0.1, 0.9], (0.1, 0.9)),
    ],
)
def test_a_text_is_read_as_the_type_that_the_setting_has(name, text, value):
    changed = change({name: text})
    assert changed == replace(CONFIG, **{name: value})
    assert type(getattr(changed, name)) is type(value)


@pytest.mark.parametrize("words", ["8 16 24", "8,16,24"])
def test_several_values_are_several_words_or_one_with_commas(words):
    flags = ["--generator.encoder-widths", *words.split(), "--generator.decoder-widths=3,5"]
    generator = change(read_flags(flags)).generator
    assert generator.encoder_widths == (8, 16, 24)
    assert generator.decoder_widths == (3, 5)


def test_one_word_is_a_sequence_of_one():
    changed = change({"discriminator.local-levels": "1", "discriminator.widths": "4,6"})
    assert changed.discriminator == replace(CONFIG.discriminator, local_levels=(1,))


def test_a_number_among_few_is_read_within_a_part_too():
    changed = change(read_flags(["--generator.streams", "1", "--generator.warp", "none"]))
    assert changed.generator == replace(CONFIG.generator, streams=1, warp="none")


@pytest.mark.parametrize(
    "settings",
    [
        {"weights": {"nearest_neighbour": 0.5}, "batch_size": 3},
        {"weights": {"nearest-neighbour": "0.5"}, "batch-size": "3"},
        {"weights.nearest_neighbour": 0.5, "batch_size": 3},
        {"weights.nearest-neighbour": "0.5", "batch-size": 3},
    ],
)
def test_a_nested_name_has_a_table_or_a_dot_and_dashes_or_underscores(settings):
    weights = replace(CONFIG.weights, nearest_neighbour=0.5)
    assert change(settings) == replace(CONFIG, weights=weights, batch_size=3)


def test_what_is_not_named_stays_and_the_given_configuration_too():
    before = replace(CONFIG)
    assert change({}) == CONFIG
    change({"steps": 3, "weights.l1": 5, "generator.blend": True})
    assert before == CONFIG


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"stepz": 1}, "unknown setting 'stepz'; did you mean steps?"),
        ({"learning-rat": 1}, "unknown setting 'learning_rat'; did you mean learning_rate?"),
        ({"weights.persn": 1}, "unknown setting 'weights.persn'; did you mean weights.person?"),
        ({"weights": {"ssym": 1}}, "unknown setting 'weights.ssym'; did you mean weights.ssim?"),
        ({"weigts.l1": 1}, "unknown setting 'weigts.l1'; did you mean weights?"),
        ({"steps.x": 1}, "unknown setting 'steps.x'; steps has no parts."),
        ({"zzzzzz": 1}, "unknown setting 'zzzzzz'; a recipe has recipe, generator, "),
        ({"weights.zzzzzz": 1}, "unknown setting 'weights.zzzzzz'; weights has adversarial, "),
        ({"weights": 3}, "'weights' has parts; give one of weights.adversarial, "),
    ],
)
def test_an_unknown_name_is_told_its_nearest_or_what_there_is(settings, said):
    with pytest.raises(InputError) as caught:
        change(settings)
    assert str(caught.value).startswith(f"here: {said}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("steps", "3.5", ["steps: ", "integer", "'3.5'"]),
        ("steps", 3.5, ["steps: ", "integer", "3.5"]),
        ("steps", [1, 2], ["steps: ", "integer", "[1, 2]"]),
        ("learning_rate", "fast", ["learning_rate: ", "number", "'fast'"]),
        ("flip", "maybe", ["flip: ", "boolean", "'maybe'"]),
        ("draws", "2", ["draws: ", "1 or 3", "'2'"]),
        ("precision", "half", ["precision: ", "'float32' or 'bfloat16'", "'half'"]),
        ("betas", "0.5", ["betas: ", "too few values", "['0.5']"]),
        ("betas", [0.1, 0.2, 0.3], ["betas: ", "at most 2"]),
        ("weights.l1", "much", ["weights.l1: ", "number", "'much'"]),
        ("generator.warp", "bend", ["generator.warp: ", "'global'", "'bend'"]),
        ("generator.encoder_widths", "8,wide,8", ["generator.encoder_widths: ", "'wide'"]),
    ],
)
def test_a_value_of_a_wrong_type_is_named_with_what_is_allowed(name, value, words):
    said = complaint_of({name: value})
    assert said.startswith(words[0])
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        *[
            ({name: 0}, f"{name} must be positive, got 0.")
            for name in ("batch_size", "steps", "log_every", "save_every", "keep")
        ],
        ({"learning_rate": "0"}, "learning_rate must be positive, got 0.0."),
        ({"learning_rate": "nan"}, "learning_rate must be positive, got nan."),
        ({"learning_rate": "inf"}, "learning_rate must be positive, got inf."),
        ({"gradient_clip": -1}, "gradient_clip must not be negative, got -1.0."),
        ({"seed": -1}, "seed must not be negative, got -1."),
        ({"ema_decay": 1}, "ema_decay must be at least 0 and below 1, got 1.0."),
        ({"rendered_share": 1}, "rendered_share must be at least 0 and below 1, got 1.0."),
        ({"betas": "1,0.9"}, "betas must be at least 0 and below 1, got (1.0, 0.9)."),
        (
            {"nearest_neighbour_window": 2},
            "nearest_neighbour_window must be odd and positive, got 2.",
        ),
        (
            {"generator.skeleton": "dog"},
            "skeleton must be coco17, face68, hand21, openpose18, quadruped20, "
            "or a file's by --skeleton, got dog.",
        ),
        (
            {"discriminator.skeleton": "coco17"},
            "generator and discriminator must have the same skeleton.",
        ),
        ({"discriminator.local_levels": "2"}, "local_levels must be in 0..1, got (2,)."),
        (
            {"generator.encoder_widths": "4,6"},
            "generator: 2 encoder levels need 1 decoder blocks, got 2.",
        ),
        (
            {"generator": {"blend": True, "warp": "none"}},
            "generator: blend needs a warped photo: warp must be parts, global or learned.",
        ),
        (
            {"generator.streams": "1"},
            "generator: streams=1 mixes both poses before any skip: warp must be none.",
        ),
    ],
)
def test_a_value_out_of_range_or_that_fits_no_other_is_one_line(settings, said):
    assert complaint_of(settings) == said


def test_a_file_s_tables_are_parts(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'steps = 7\nlearning-rate = 1e-3\nbetas = [0.1, 0.9]\nprecision = "bfloat16"\n'
        "[weights]\nl1 = 3\n[generator]\nencoder_widths = [2, 4]\ndecoder-widths = [3]\n"
    )
    assert change(read_toml(path)) == replace(
        CONFIG,
        steps=7,
        learning_rate=1e-3,
        betas=(0.1, 0.9),
        precision="bfloat16",
        weights=replace(CONFIG.weights, l1=3.0),
        generator=replace(CONFIG.generator, encoder_widths=(2, 4), decoder_widths=(3,)),
    )


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match=r"^No file .*missing\.toml\.$"):
        read_toml(tmp_path / "missing.toml")
    with pytest.raises(InputError, match=r"Cannot read .*: Is a directory"):
        read_toml(tmp_path)
    broken = tmp_path / "broken.toml"
    for content in (b"steps = \n", b"steps: 3\n", b"\xff\xfe", b"steps = 1\nsteps = 2\n"):
        broken.write_bytes(content)
        with pytest.raises(InputError, match=r"broken\.toml is not TOML: ") as caught:
            read_toml(broken)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], {}),
        (["--ema-decay", "0.9"], {"ema-decay": "0.9"}),
        (["--ema-decay=0.9"], {"ema-decay": "0.9"}),
        (["--betas", "0.1", "0.9", "--flip", "no"], {"betas": ["0.1", "0.9"], "flip": "no"}),
        (["--weights.l1", "-3"], {"weights.l1": "-3"}),
        (["--keep", "1", "--keep", "2"], {"keep": "2"}),
    ],
)
def test_flags_are_names_and_the_words_that_follow(words, found):
    assert read_flags(words) == found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["5"], "Unexpected word '5'; settings are given as --name value."),
        (["-x", "5"], "Unexpected word '-x'; settings are given as --name value."),
        (["--flip"], "--flip needs a value."),
        (["--flip", "--keep", "3"], "--flip needs a value."),
        (["--flip="], "--flip needs a value."),
    ],
)
def test_a_word_without_a_name_and_a_name_without_a_word_are_refused(words, said):
    with pytest.raises(InputError) as caught:
        read_flags(words)
    assert str(caught.value) == said


LAYERED = replace(
    CONFIG,
    generator=replace(CONFIG.generator, blend=True, upsampling="resize", layers=LayersConfig()),
)


def test_settings_of_layers_are_given_by_name_also_where_a_recipe_has_none():
    flags = read_flags(["--generator.layers.rows", "64", "--generator.layers.field-widths=8,16,24"])
    wanted = LayersConfig(rows=64, field_widths=(8, 16, 24))
    assert change_settings(LAYERED, flags, "here").generator.layers == wanted
    more = {"generator": {"blend": True, "upsampling": "resize", "layers": {"copy": "no"}}}
    assert change(more).generator.layers == LayersConfig(copy=False)
    without = change_settings(LAYERED, read_flags(["--generator.layers", "none"]), "here")
    assert without == replace(LAYERED, generator=replace(LAYERED.generator, layers=None))
    assert change_settings(LAYERED, {"steps": 3}, "here") == replace(LAYERED, steps=3)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (
            {"generator": {"layers": {"depth": 64}}},
            "unknown setting 'generator.layers.depth'; generator.layers has rows, base, "
            "correction, decision, copy, field_widths, detail_widths.",
        ),
        (
            {"generator": {"layers": {"rows": 65}}},
            "generator.layers: rows must be a multiple of 32 up to 2048, got 65.",
        ),
        (
            {"generator": {"layers": 64}},
            "'generator.layers' has parts; give none, or one of layers.rows, layers.base, "
            "layers.correction, layers.decision, layers.copy, layers.field_widths, "
            "layers.detail_widths.",
        ),
        (
            {"generator": {"layers": {"rows": 64}}},
            "generator: layers need the parts' transforms and blending: set warp to parts and "
            "blend.",
        ),
        (
            {"weights": {"flow": 1}},
            "weights of flow need a generator with layers: set generator.layers, or these weights "
            "to 0.",
        ),
    ],
)
def test_mistakes_about_layers_are_one_line(settings, complaint):
    assert complaint_of(settings) == complaint
