"""What the command line keeps of itself."""

from __future__ import annotations

from funet.cli.arguments import typed_command


def test_the_command_in_a_record_names_no_folder_and_all_else_as_typed() -> None:
    words = ["train", "--images=study/images", "--labels", "study/labels", "--seed=3"]
    words += ["--structures", "1=Left/Right,2=L4/L5", "--name=T1/T2", "--output", "o/m"]
    assert typed_command(words) == (
        "funet train --images=images --labels labels --seed=3 "
        "--structures 1=Left/Right,2=L4/L5 --name=T1/T2 --output m"
    )
