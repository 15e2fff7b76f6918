"""Settings of a check: where they are looked for, what may stand there, and what they do to findings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.trees import put
from west_qspi.check.model import Finding, Severity, Spot
from west_qspi.check.settings import Settings, load_settings, rule_name
from west_qspi.errors import SettingsError

RULES = ("QX001", "QX002", "QX101", "QX102", "QX404")

FULL = """\
select = ["QX1", "qx404"]
ignore = ["QX102"]

[severity]
QX101 = "note"

[per-path]
"samples/**" = ["QX404"]
"""


def finding(rule: str, path: Path = Path("/p/a.yml"), severity: Severity = Severity.ERROR) -> Finding:
    return Finding(rule, severity, Spot(path, 1), "text")


def error_of(folder: Path) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load_settings(folder, RULES)
    return caught.value


# --- where they are --------------------------------------------------------------------------------


def in_pyproject(text: str) -> str:
    return "[tool.west-qspi.check]\n" + text.replace("[severity]", "[tool.west-qspi.check.severity]").replace(
        "[per-path]", "[tool.west-qspi.check.per-path]"
    )


@pytest.mark.parametrize("name", [".west-qspi.toml", "pyproject.toml"])
@pytest.mark.parametrize("place", ["app/one", "app", "."])
def test_settings_are_found_beside_or_above_the_folder(tmp_path: Path, name: str, place: str) -> None:
    folder = tmp_path / "app" / "one"
    folder.mkdir(parents=True)
    put(tmp_path / place / name, FULL if name[0] == "." else in_pyproject(FULL))
    assert load_settings(folder, RULES) == Settings(
        ("QX1", "QX404"),
        ("QX102",),
        {"QX101": Severity.NOTE},
        {"samples/**": ("QX404",)},
        (tmp_path / place).resolve(),
    )


def test_the_nearest_settings_count_and_the_own_file_first(tmp_path: Path) -> None:
    put(tmp_path / ".west-qspi.toml", 'ignore = ["QX101"]')
    put(tmp_path / "app" / "pyproject.toml", '[tool.west-qspi.check]\nignore = ["QX102"]')
    assert load_settings(tmp_path / "app", RULES).ignore == ("QX102",)
    put(tmp_path / "app" / ".west-qspi.toml", 'ignore = ["QX404"]')
    assert load_settings(tmp_path / "app", RULES).ignore == ("QX404",)


@pytest.mark.parametrize("top", [".git", ".west"])
def test_settings_above_the_repository_or_workspace_do_not_count(tmp_path: Path, top: str) -> None:
    put(tmp_path / ".west-qspi.toml", 'ignore = ["QX101"]')
    repository = tmp_path / "repository"
    (repository / top).mkdir(parents=True)
    (repository / "app").mkdir()
    assert load_settings(repository / "app", RULES) == Settings(root=repository / "app")
    put(repository / ".west-qspi.toml", 'ignore = ["QX102"]')
    assert load_settings(repository / "app", RULES).ignore == ("QX102",)


def test_a_work_tree_whose_git_is_a_file_is_a_repository_too(tmp_path: Path) -> None:
    put(tmp_path / ".west-qspi.toml", 'ignore = ["QX101"]')
    put(tmp_path / "tree" / ".git", "gitdir: elsewhere\n")
    assert load_settings(tmp_path / "tree", RULES).ignore == ()


@pytest.mark.parametrize(
    "text", ['[project]\nname = "x"\n', '[tool.other]\ndepends = "west-qspi"\n', "[tool.west-qspi]\n", "[[["]
)
def test_a_pyproject_without_settings_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / ".git").mkdir()
    put(tmp_path / "app" / "pyproject.toml", text)
    put(tmp_path / ".west-qspi.toml", 'ignore = ["QX101"]')
    assert load_settings(tmp_path / "app", RULES).ignore == ("QX101",)


# --- what may not stand there ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("\nselct = []\n", 2, ("'selct'", "select, ignore, severity, per-path")),
        ('ignore = [\n  "QX101",\n  "QX999",\n]\n', 1, ("'ignore'", "'QX999'", "--list")),
        ('select = "QX101"\n', 1, ("'select'", "list of rules")),
        ("ignore = [101]\n", 1, ("'ignore'", "list of rules")),
        ('select = [""]\n', 1, ("''",)),
        ('[severity]\nQX101 = "fatal"\n', 2, ("'QX101'", "error, warning, note")),
        ("[severity]\nQX101 = 3\n", 2, ("'QX101'", "error, warning, note")),
        ('[severity]\nQX1 = "note"\n', 2, ("'QX1'",)),
        ("\n\nseverity = 1\n", 3, ("'severity'", "table")),
        ("per-path = []\n", 1, ("'per-path'", "table")),
        ('[per-path]\n"a/**" = "QX101"\n', 2, ("'a/**'", "list of rules")),
        ('[per-path]\n"a/**" = ["QX999"]\n', 2, ("'a/**'", "'QX999'")),
        ("\nselect = [\n", 2, ("TOML",)),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    tmp_path: Path, text: str, line: int, words: tuple[str, ...]
) -> None:
    path = put(tmp_path / ".west-qspi.toml", text)
    error = error_of(tmp_path)
    assert (error.path, error.line) == (str(path), line)
    assert all(word in error.reason for word in words)
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[project]\n[tool.west-qspi.check]\nselct = []\n", 3),
        ("[tool.west-qspi.chek]\nselect = []\n", 1),
        ("[tool]\nwest-qspi = 1\n", 2),
        ("[tool.west-qspi]\ncheck = 1\n", 2),
    ],
)
def test_mistakes_in_a_pyproject_have_their_line_there(tmp_path: Path, text: str, line: int) -> None:
    put(tmp_path / "pyproject.toml", text)
    assert error_of(tmp_path).line == line


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"#\n# \xff\n", "UTF-8"), (b"#" * (1 << 21), "at most"), (b"a.b = 1\xe2\x80\xa8", "TOML")],
)
def test_files_that_are_no_settings_are_refused(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / ".west-qspi.toml").write_bytes(data)
    assert words in error_of(tmp_path).reason


def test_a_folder_of_that_name_is_said(tmp_path: Path) -> None:
    (tmp_path / ".west-qspi.toml").mkdir()
    assert "cannot be read" in error_of(tmp_path).reason


# --- what they do ----------------------------------------------------------------------------------


def test_select_and_ignore_take_what_numbers_begin_with() -> None:
    settings = Settings(select=("QX1", "QX404"), ignore=("QX102",))
    assert [rule for rule in RULES if settings.wants(rule)] == ["QX001", "QX101", "QX404"]


def test_that_a_file_cannot_be_read_is_said_unless_it_is_ignored() -> None:
    assert Settings(select=("QX4",)).wants("QX001")
    assert not Settings(ignore=("QX001",)).wants("QX001")


def test_a_severity_can_be_changed() -> None:
    settings = Settings(severity={"QX101": Severity.NOTE})
    assert settings.applied(finding("QX101")) == finding("QX101", severity=Severity.NOTE)
    assert settings.applied(finding("QX102")) == finding("QX102")


@pytest.mark.parametrize(
    ("pattern", "ignored"),
    [
        ("samples/**", ["samples/a.yml", "samples/one/b.yml"]),
        ("samples", ["samples/a.yml", "samples/one/b.yml"]),
        ("samples/", ["samples/a.yml", "samples/one/b.yml"]),
        ("*.yml", ["samples/a.yml", "samples/one/b.yml", "c.yml"]),
        ("**/c.yml", ["c.yml"]),
        ("samples/a.yml", ["samples/a.yml"]),
        ("sample", []),
        ("Samples/**", []),
    ],
)
def test_rules_can_be_ignored_by_path(pattern: str, ignored: list[str]) -> None:
    settings = Settings(per_path={pattern: ("QX1",)}, root=Path("/p"))
    paths = ["samples/a.yml", "samples/one/b.yml", "c.yml"]
    found = [path for path in paths if settings.applied(finding("QX101", Path("/p") / path)) is None]
    assert found == ignored
    assert settings.applied(finding("QX404", Path("/p/samples/a.yml"))) is not None


def test_a_command_lines_selection_counts_instead_and_what_it_ignores_as_well() -> None:
    settings = Settings(select=("QX1",), ignore=("QX101",))
    assert settings.with_options((), ()) == settings
    assert settings.with_options(("QX4",), ("QX102",)) == Settings(("QX4",), ("QX101", "QX102"))


def test_rules_are_named_by_what_they_begin_with() -> None:
    assert rule_name(" qx4 ", RULES) == "QX4"
    assert [rule_name(name, RULES) for name in ("", " ", "QX5", "QX1011", "X1")] == [None] * 5
