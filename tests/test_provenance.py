"""Which code made a result."""

from deformgan import provenance as module
from deformgan.provenance import provenance


def test_a_result_on_a_machine_without_git_has_an_unknown_commit(monkeypatch):
    assert provenance().keys() == {"version", "commit", "date", "machine"}

    def missing(*arguments, **options):
        raise FileNotFoundError("git")

    monkeypatch.setattr(module.subprocess, "run", missing)
    assert provenance()["commit"] == "unknown"
