"""docs/measured.md: each suite owns its own section."""

from pathlib import Path

from bench.measured import provenance, write_section


def test_a_section_written_again_takes_the_place_of_the_old_one_and_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "measured.md"
    write_section("Speed", [("what", "value"), ("p50", "3 ms")], note="In one run.", path=page)
    write_section("Faults", [("what", "value"), ("hang", "1.1×")], path=page)
    write_section("Speed", [("what", "value"), ("p50", "2 ms")], note="In one run.", path=page)
    head, *sections = page.read_text().split("\n\n## ")
    assert head.startswith("# Measured")
    assert sections == [
        f"Speed\n\n{provenance()}\n\nIn one run.\n\n| what | value |\n| --- | --- |\n| p50 | 2 ms |",
        f"Faults\n\n{provenance()}\n\n| what | value |\n| --- | --- |\n| hang | 1.1× |\n",
    ]


def test_a_cell_cannot_break_the_table(tmp_path: Path) -> None:
    page = tmp_path / "measured.md"
    write_section("Odd", [("what",), ("a|b\nc",)], path=page)
    assert page.read_text().endswith("| what |\n| --- |\n| a\\|b c |\n")
