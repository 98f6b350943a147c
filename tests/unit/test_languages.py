"""Which languages can be run, by which kernelspec, and what is said of the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kernels.runtime.errors import UnknownLanguage
from kernels.runtime.languages import Languages


class Specs:
    """A folder of installed kernelspecs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, language: str | None) -> None:
        """Install a kernelspec; without a language, one that does not say its own."""
        spec: dict[str, object] = {"argv": ["run", "{connection_file}"], "display_name": name}
        if language is not None:
            spec["language"] = language
        self.write(name, json.dumps(spec))

    def write(self, name: str, text: str) -> None:
        """Install whatever is in ``text``."""
        place = self.folder / "kernels" / name
        place.mkdir(parents=True)
        (place / "kernel.json").write_text(text)


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Specs:
    """An empty folder in which Jupyter looks for kernelspecs first."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    return Specs(tmp_path)


@pytest.mark.parametrize("name", ["python", "Python", "py", "PY"])
def test_python_is_the_kernelspec_of_the_settings(name: str) -> None:
    language = Languages("kernelbox").resolve(name)
    assert (language.name, language.kernelspec, language.prefix) == ("python", "kernelbox", "")


@pytest.mark.parametrize("name", ["bash", "sh", "shell", "Bash"])
def test_bash_goes_through_the_python_kernel_by_its_cell_magic(name: str) -> None:
    language = Languages("kernelbox").resolve(name)
    assert language.prefix + "ls" == "%%bash\nls"
    assert (language.name, language.kernelspec) == ("python", "kernelbox")


@pytest.mark.parametrize("name", ["python", "bash"])
def test_the_common_languages_do_not_depend_on_the_disk(name: str, specs: Specs) -> None:
    specs.install("mine", name)
    languages = Languages("kernelbox")
    assert languages.common(name) == languages.resolve(name)
    assert languages.resolve(name).kernelspec == "kernelbox"
    assert languages.installed() == {}


def test_any_other_language_is_not_common(specs: Specs) -> None:
    specs.install("ir", "R")
    assert Languages("python3").common("r") is None


@pytest.mark.parametrize("name", ["r", "R"])
def test_an_installed_language_is_found_however_it_is_written(name: str, specs: Specs) -> None:
    specs.install("ir", "R")
    language = Languages("python3").resolve(name)
    assert (language.name, language.kernelspec, language.prefix) == ("r", "ir", "")


def test_of_two_kernelspecs_of_one_language_the_first_by_name_runs_it(specs: Specs) -> None:
    for name in ("julia-1.11", "julia-1.10", "julia-1.9"):
        specs.install(name, "julia")
    assert Languages("python3").resolve("julia").kernelspec == "julia-1.10"


def test_a_kernelspec_without_a_language_goes_by_its_name(specs: Specs) -> None:
    specs.install("forth", None)
    assert Languages("python3").resolve("forth").kernelspec == "forth"


def test_an_unknown_language_is_told_which_there_are(specs: Specs) -> None:
    specs.install("ir", "R")
    with pytest.raises(UnknownLanguage) as refusal:
        Languages("python3").resolve("COBOL")
    assert str(refusal.value) == (
        "No installed kernel runs 'COBOL'. Languages here: bash, python, r."
    )


def test_a_broken_kernelspec_does_not_hide_the_others(specs: Specs) -> None:
    specs.install("ir", "R")
    specs.write("broken", "{")
    assert Languages("python3").installed() == {"r": "ir"}


def test_the_list_of_kernelspecs_is_read_once_for_a_while(specs: Specs) -> None:
    languages = Languages("python3")
    assert languages.installed() == {}
    specs.install("ir", "R")
    assert languages.installed() == {}
    assert Languages("python3").installed() == {"r": "ir"}
