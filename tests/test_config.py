"""Settings: strict types, errors that name file, line and nearest key, overrides, durations, round trip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from limner.config import Config, config_from, load_config, parse_duration, parse_override
from limner.errors import ConfigError


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refused(path: Path | None = None, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    return str(caught.value)


class TestDefaults:
    def test_nothing_given_gives_defaults(self):
        assert load_config() == Config()

    def test_empty_file_gives_defaults(self, write):
        assert load_config(write("# nothing yet\n")) == Config()

    def test_section_with_every_key_commented_out_gives_defaults(self, write):
        assert load_config(write("training:\n  # epochs: 5\n")) == Config()

    def test_unset_choices_are_left_to_the_plan(self):
        config = load_config()
        assert config.training.epochs is None
        assert config.training.lr is None
        assert config.data.size is None

    def test_every_setting_says_what_it_is(self):
        for section in Config.model_fields.values():
            for key, field in section.annotation.model_fields.items():
                assert field.description, key
                assert field.description.endswith("."), key

    def test_config_cannot_be_changed_after_checking(self):
        with pytest.raises(ValidationError, match="frozen"):
            load_config().training.epochs = 3


class TestFile:
    def test_values_are_read(self, write):
        config = load_config(
            write(
                """
                data:
                  split: 70:15:15
                  size: [128, 160]
                  values: [[0], [255]]
                model:
                  conv_sizes: [8, 16]
                training:
                  lr: 3e-4
                augment:
                  scale: [0.9, 1.1]
                """
            )
        )
        assert config.data.split == "70:15:15"
        assert config.data.size == (128, 160)
        assert config.data.values == [[0], [255]]
        assert config.model.conv_sizes == [8, 16]
        assert config.training.lr == 3e-4
        assert config.augment.scale == (0.9, 1.1)

    def test_byte_order_mark_is_no_mistake(self, write):
        assert load_config(write("\ufefftraining:\n  epochs: 2\n")).training.epochs == 2

    @pytest.mark.parametrize("word", ["no", "yes", "on", "off", "2024-01-31", "1:30"])
    def test_text_stays_text(self, write, word):
        assert load_config(write(f"data:\n  class_names: [background, {word}]\n")).data.class_names[1] == word

    @pytest.mark.parametrize(("text", "number"), [("1e-3", 1e-3), ("1.5E+1", 15.0), (".5", 0.5), ("2", 2.0)])
    def test_numbers_are_numbers(self, write, text, number):
        assert load_config(write(f"training:\n  lr: {text}\n")).training.lr == number

    def test_missing_file_is_named(self, tmp_path):
        message = refused(tmp_path / "absent.yaml")
        assert str(tmp_path / "absent.yaml") in message
        assert "No such file" in message

    def test_folder_in_place_of_a_file(self, tmp_path):
        assert str(tmp_path) in refused(tmp_path)

    def test_binary_file(self, tmp_path):
        (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00\x80")
        assert "not UTF-8" in refused(tmp_path / "a.yaml")

    @pytest.mark.parametrize("text", ["training:\n\tepochs: 5\n", "training:\n  epochs: [5\n", "a: 1\n---\nb: 2\n"])
    def test_broken_yaml_names_file_and_line(self, write, text):
        path = write(text)
        message = refused(path)
        assert "valid YAML" in message
        assert f"{path}, line " in message

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            ("[" * 3000 + "]" * 3000, "nested more than 50 levels deep"),
            ("&a [*a]", "aliases make it more than 100,000 values"),
            (
                "[&a0 [0, 0, 0], " + ", ".join(f"&a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)) + "]",
                "aliases make it more than 100,000 values",
            ),
        ],
        ids=["deep", "in itself", "billion laughs"],
    )
    def test_yaml_that_grows_without_end_is_refused(self, write, value, problem):
        message = refused(write(f"data:\n  values: {value}\n"))
        assert problem in message

    def test_aliases_are_read(self, write):
        config = load_config(write("data:\n  val: &share 0.2\n  test: *share\n"))
        assert config.data.test == 0.2

    def test_yaml_cannot_make_python_objects(self, write):
        assert "line 2" in refused(write("data:\n  path: !!python/name:os.system\n"))

    @pytest.mark.parametrize("text", ["- 1\n", "words\n", "5\n"])
    def test_a_file_that_holds_no_sections(self, write, text):
        assert "sections" in refused(write(text))

    def test_setting_given_twice_names_both_lines(self, write):
        message = refused(write("training:\n  epochs: 5\n  batch: 2\n  epochs: 50\n"))
        assert "'training.epochs'" in message
        assert "line 2 and again in line 4" in message

    def test_section_given_twice_names_both_lines(self, write):
        assert "line 1 and again in line 3" in refused(write("data:\n  path: a\ndata:\n  path: b\n"))


class TestMistakes:
    """The line is that of the mistake, not of its section."""

    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            ("epochs: 0", "greater than or equal to 1"),
            ("epochs: '5'", "valid integer"),
            ("epochs: 5.0", "valid integer"),
            ("epochs: true", "valid integer"),
            ("lr: fast", "valid number"),
            ("lr: .nan", "finite"),
            ("lr: -1", "greater than 0"),
            ("lr: true", "valid number"),
            ("optimizer: lion", "'adamw', 'adam' or 'sgd'"),
            ("time: soon", "a duration such as"),
            ("time: ''", "a duration such as"),
            ("time: 0s", "a duration such as"),
            ("momentum: 1.5", "less than or equal to 1"),
            ("class_weights: [1, 0]", "greater than 0"),
            ("class_weights: 3", "valid"),
            ("seed: -1", "greater than or equal to 0"),
            ("seed: 4294967296", "less than"),
        ],
    )
    def test_wrong_value(self, write, line, problem):
        path = write(f"# comment\ntraining:\n  batch: 2\n  {line}\n  previews: 1\n")
        message = refused(path)
        assert message.startswith(f"Expected: training.{line.split(':')[0]}: ")
        assert problem in message
        assert f"in {path}, line 4" in message

    @pytest.mark.parametrize("size", ["[128]", "[128, 128, 3]", "128", "[0, 128]", "[1.5, 2]"])
    def test_size_is_two_counts(self, write, size):
        message = refused(write(f"data:\n  size: {size}\n"))
        assert "data.size" in message
        assert "line 2" in message

    def test_all_the_kinds_a_value_may_have_are_named(self, write):
        message = refused(write("data:\n  page: first\n"))
        assert "integer" in message
        assert "'all'" in message

    def test_section_that_holds_no_settings(self, write):
        message = refused(write("model: unet\n"))
        assert "model" in message
        assert "line 1" in message

    @pytest.mark.parametrize(
        ("given", "meant"),
        [
            ("epoch", "training.epochs"),
            ("training.epoch", "training.epochs"),
            ("training.optimiser", "training.optimizer"),
            ("model.epochs", "training.epochs"),
            ("model.drop_out", "model.dropout"),
            ("augment.rotation", "augment.rotate"),
            ("data.imags", "data.images"),
        ],
    )
    def test_unknown_key_names_the_nearest(self, given, meant):
        message = refused(None, f"{given}=1")
        assert f"unknown setting '{given}'" in message
        assert f"Did you mean '{meant}'?" in message

    def test_unknown_key_in_a_file_has_its_line(self, write):
        path = write("training:\n  epochs: 5\n  bacth: 2\n")
        message = refused(path)
        assert f"'training.bacth' in {path}, line 3" in message
        assert "Did you mean 'training.batch'?" in message

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ("{depth: {task: regresion}}", ["data.targets.depth.task", "'regression'"]),
            ("{depth: {tsk: regression}}", ["unknown setting 'data.targets.depth.tsk'", "Did you mean 'task'?"]),
            ("{depth: {task: regression, factor: 0}}", ["data.targets.depth.factor", "greater than 0"]),
        ],
    )
    def test_settings_of_a_target_are_named_to_the_end(self, given, words):
        message = refused(None, f"data.targets={given}")
        assert all(word in message for word in words)

    def test_misspelt_section_names_the_section(self, write):
        message = refused(write("trainning:\n  epochs: 5\n"))
        assert "line 1" in message
        assert "Did you mean 'training'?" in message

    def test_setting_outside_its_section(self, write):
        assert "Did you mean 'training.epochs'?" in refused(write("epochs: 5\n"))

    def test_key_unlike_any_lists_the_section(self, write):
        message = refused(write("model:\n  zzzz: 5\n"))
        assert "Did you mean" not in message
        assert "conv_sizes" in message

    def test_section_unlike_any_lists_the_sections(self, write):
        assert "data, model, training, augment" in refused(write("zzzz: 5\n"))


class TestOverrides:
    def test_override_wins_over_the_file(self, write):
        config = load_config(write("training:\n  epochs: 5\n  batch: 2\n"), ["training.epochs=7"])
        assert (config.training.epochs, config.training.batch) == (7, 2)

    def test_last_override_wins(self):
        assert load_config(overrides=["epochs=7", "training.epochs=8"]).training.epochs == 8

    def test_override_of_a_section_left_empty_in_the_file(self, write):
        assert load_config(write("training:\n"), ["epochs=7"]).training.epochs == 7

    @pytest.mark.parametrize(
        ("text", "keys", "value"),
        [
            ("epochs=5", ("training", "epochs"), 5),
            ("training.epochs = 5", ("training", "epochs"), 5),
            ("lr=1e-3", ("training", "lr"), 1e-3),
            ("loss=0.5*bce+tversky", ("training", "loss"), "0.5*bce+tversky"),
            ("split=70:15:15", ("data", "split"), "70:15:15"),
            ("size=[128, 160]", ("data", "size"), [128, 160]),
            ("flip_v=true", ("augment", "flip_v"), True),
            ("epochs=null", ("training", "epochs"), None),
            ("epochs=", ("training", "epochs"), None),
            ("path=a=b", ("data", "path"), "a=b"),
            ("page=all", ("data", "page"), "all"),
        ],
    )
    def test_keys_and_values(self, text, keys, value):
        assert parse_override(text) == (keys, value)

    @pytest.mark.parametrize(("key", "sections"), [("seed", ("data", "training")), ("gamma", ("training", "augment"))])
    def test_key_of_two_sections_must_name_its_own(self, key, sections):
        message = refused(None, f"{key}=1")
        for section in sections:
            assert f"{section}.{key}" in message

    @pytest.mark.parametrize("text", ["epochs", "epochs:5", ""])
    def test_no_equals_sign(self, text):
        assert "key=value" in refused(None, text)

    @pytest.mark.parametrize("text", ["=5", "a.b.c=5", "training.=5", ".epochs=5", "training=5"])
    def test_odd_keys(self, text):
        assert "a setting that exists" in refused(None, text)

    def test_value_that_is_no_yaml(self):
        assert "YAML value for size" in refused(None, "size=[1, 2")

    def test_mistake_in_an_override_is_not_blamed_on_the_file(self, write):
        path = write("training:\n  epochs: 5\n")
        message = refused(path, "training.epochs=-1")
        assert "-1" in message
        assert str(path) not in message

    def test_override_into_a_section_that_holds_no_settings(self, write):
        assert "'training' holds settings" in refused(write("training: 5\n"), "epochs=7")


class TestFromPython:
    def test_settings_by_name_win_over_all_others(self, write):
        path = write("training:\n  epochs: 5\n  batch: 2\n  lr: 0.1\n")
        config = load_config(path, ["epochs=6", "batch=3"], {"training.epochs": 7})
        assert (config.training.epochs, config.training.batch, config.training.lr) == (7, 3, 0.1)

    def test_settings_are_values_not_yaml(self):
        config = load_config(settings={"data.path": "70:15:15", "class_names": ["no", "1e-3"], "size": (64, 32)})
        assert config.data.path == "70:15:15"
        assert config.data.class_names == ["no", "1e-3"]
        assert config.data.size == (64, 32)

    @pytest.mark.parametrize(("name", "words"), [("epoch", "Did you mean 'training.epochs'"), ("seed", "data.seed")])
    def test_settings_by_a_wrong_or_doubtful_name(self, name, words):
        with pytest.raises(ConfigError) as caught:
            load_config(settings={name: 1})
        assert words in str(caught.value)

    def test_paths_and_tuples_pass(self):
        config = config_from({"data": {"path": Path("pictures"), "size": (64, 64)}})
        assert config.data.path == "pictures"
        assert config.data.size == (64, 64)

    def test_error_names_the_key(self):
        with pytest.raises(ConfigError, match=r"training\.epochs"):
            config_from({"training": {"epochs": "five"}})


class TestDuration:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [("90s", 90), ("15m", 900), ("2h", 7200), ("1.5h", 5400), ("1h30m", 5400), ("1h2m3s", 3723), (" 2H ", 7200)],
    )
    def test_units(self, text, seconds):
        assert parse_duration(text) == seconds

    @pytest.mark.parametrize("text", ["", "0", "0s", "-5m", "5 minutes", "m", "1.2.3s", "30m1h", "nan", "inf"])
    def test_no_duration(self, text):
        with pytest.raises(ConfigError) as caught:
            parse_duration(text)
        assert repr(text) in str(caught.value)

    @given(st.integers(0, 99), st.integers(0, 59), st.integers(1, 59))
    def test_parts_add_up(self, hours, minutes, seconds):
        assert parse_duration(f"{hours}h{minutes}m{seconds}s") == 3600 * hours + 60 * minutes + seconds

    def test_bare_number_is_seconds(self, write):
        assert parse_duration(load_config(write("training:\n  time: 40\n")).training.time) == 40


class TestSaving:
    def test_only_what_was_given_is_saved(self):
        assert load_config(overrides=["epochs=5"]).to_yaml() == "training:\n  epochs: 5\n"

    def test_what_was_given_is_saved_even_where_it_is_the_default(self):
        assert "momentum: 0.9" in load_config(overrides=["momentum=0.9"]).to_yaml()

    def test_round_trip(self, write):
        given = [
            "split=70:15:15",
            "size=[128, 160]",
            "values=[[0], [[255, 0, 0]]]",
            "class_names=[background, Läsion, 'no', '1e-3']",
            "data.seed=4294967295",
            "lr=1e-5",
            "time=90",
            "patience=0",
            "scale=[0.5, 2]",
            "flip_v=false",
        ]
        config = load_config(overrides=given)
        assert load_config(write(config.to_yaml())) == config

    @given(st.text(st.characters(codec="utf-8", exclude_categories=["C"])))
    def test_any_text_survives(self, text):
        config = config_from({"data": {"path": text}})
        keys, value = parse_override("data.path=" + json.dumps(text))
        assert config_from({keys[0]: {keys[1]: value}}) == config

    @given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1))
    def test_any_name_round_trips(self, tmp_path_factory, text):
        config = config_from({"data": {"class_names": ["background", text]}})
        path = tmp_path_factory.getbasetemp() / "round_trip.yaml"
        path.write_text(config.to_yaml(), encoding="utf-8")
        assert load_config(path) == config

    @given(st.floats(min_value=0, exclude_min=True, allow_infinity=False))
    def test_any_number_round_trips(self, tmp_path_factory, number):
        config = config_from({"training": {"lr": number}})
        path = tmp_path_factory.getbasetemp() / "number.yaml"
        path.write_text(config.to_yaml(), encoding="utf-8")
        assert load_config(path).training.lr == number
