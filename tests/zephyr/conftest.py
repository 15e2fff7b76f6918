"""What the tests of Zephyr's runners begin with: a build, a board behind fake tools, and a Zephyr."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from buildgen import BuildOptions

from tests.helpers.boards import SMALL, build_of
from tests.helpers.cli import Done, board_at, finish
from tests.helpers.faketools import calls_file, make_tools
from tests.helpers.zephyrtree import make_zephyr
from west_qspi.__main__ import main
from west_qspi.build.build import Build
from west_qspi.flasher import flash
from west_qspi.job import gather
from west_qspi.journal import FolderJournal
from west_qspi.policy import Policy
from west_qspi.runners import RunnerOptions
from west_qspi.runners.sim import SimRunner
from west_qspi.sim.board import Board
from west_qspi.soc import SOCS


@dataclass(frozen=True)
class Bench:
    """A folder with a build and a board; ``zephyr`` is for ZEPHYR_BASE."""

    folder: Path
    zephyr: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def build_folder(self) -> Path:
        return self.folder / "build"

    @property
    def build(self) -> Build:
        return Build.load(self.build_folder)

    @property
    def board_folder(self) -> Path:
        return self.folder / "board"

    def board(self) -> Board:
        return Board.open(self.board_folder)

    def use(self, options: BuildOptions) -> None:
        """Have another build in the build folder."""
        shutil.rmtree(self.build_folder, ignore_errors=True)
        shutil.copytree(build_of(options).path, self.build_folder)

    def flash_directly(self) -> None:
        """Have the board hold the build, without any of Zephyr's runners."""
        job = gather(self.build)
        options = RunnerOptions(sim_board=self.board_folder)
        target = SimRunner().connect(job.soc, job.external, options, use_external=True)
        try:
            flash(target, job, Policy(), FolderJournal(self.folder / "journal"))
        finally:
            target.close()

    def run(self, *arguments: str, runner: str = "nrfjprog", reader: str | None = "sim") -> Done:
        """Run ``qspi-flash`` as a user would."""
        line = ["flash", "-r", runner, "--skip-rebuild", "--no-check", "--sim-board", str(self.board_folder)]
        before, dashes, behind = list(arguments), [], []
        if "--" in before:
            at = before.index("--")
            before, dashes, behind = before[:at], ["--"], before[at + 1 :]
        proof = ["--prove-with", reader] if reader else []
        return finish(self.capsys, lambda: main([*line, *proof, *before, *dashes, *behind]))

    def calls(self) -> list[str]:
        """Return the calls of tools that were about the board's flash."""
        path = calls_file(self.board_folder)
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def edit_runners(self, old: str, new: str, image: str | None = None) -> None:
        """Change a ``runners.yaml`` as if the board's files had said so."""
        name = image or self.build.name
        path = self.build_folder / name / "zephyr" / "runners.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


NewBench = Callable[..., Bench]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> NewBench:
    """Return what makes the bench for a build and a form of Zephyr, or for a real one."""

    def make(
        options: BuildOptions = SMALL,
        form: str = "main",
        *,
        part: str | None = "MX25R6435F",
        soc: str | None = None,
        zephyr: Path | None = None,
    ) -> Bench:
        folder = tmp_path / "my product"
        folder.mkdir()
        board_at(folder / "board", part, SOCS[soc or options.soc])
        tools = make_tools(folder / "bin", folder / "board")
        base = zephyr or make_zephyr(folder / "zephyr", form)
        monkeypatch.setenv("PATH", str(tools), prepend=":")
        monkeypatch.setenv("ZEPHYR_BASE", str(base))
        monkeypatch.chdir(folder)
        made = Bench(folder, base, capsys)
        made.use(options)
        return made

    return make
