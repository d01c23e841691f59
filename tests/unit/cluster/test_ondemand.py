"""Packages whose parts come when they are asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hostler.cluster.ondemand import import_on_demand


@pytest.fixture
def heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package that cannot be imported as a whole, with one part that works and one that lacks something."""
    package = tmp_path / "heavy_package"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('all of it was imported')\n")
    (package / "inner" / "__init__.py").write_text("raise RuntimeError('all of the inner one was imported')\n")
    (package / "inner" / "part.py").write_text("ANSWER = 42\n")
    (package / "lacking.py").write_text("import something_that_is_not_installed\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "heavy_package"
    for name in [each for each in sys.modules if each.partition(".")[0] == "heavy_package"]:
        del sys.modules[name]


def test_a_part_is_imported_without_the_packages_around_it(heavy: str) -> None:
    import_on_demand(heavy)
    import_on_demand(f"{heavy}.inner")
    import heavy_package

    assert heavy_package.inner.part.ANSWER == 42, "as an attribute, though nobody has imported the part"


def test_what_is_there_already_stays(heavy: str) -> None:
    import_on_demand(heavy)
    before = sys.modules[heavy]
    import_on_demand(heavy)
    assert sys.modules[heavy] is before


def test_what_there_is_not_is_no_attribute_and_what_a_part_lacks_is_said(heavy: str) -> None:
    import_on_demand(heavy)
    import heavy_package

    assert not hasattr(heavy_package, "nothing")
    with pytest.raises(ModuleNotFoundError, match="something_that_is_not_installed"):
        _ = heavy_package.lacking


def test_a_package_that_is_not_installed_is_left_to_whoever_needs_it() -> None:
    import_on_demand("no_such_package")
    import_on_demand("no_such_package.part")
    assert "no_such_package" not in sys.modules
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        __import__("no_such_package.part")
