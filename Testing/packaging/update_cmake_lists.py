"""Write the module's files into the lists of FUNetSegmentation/CMakeLists.txt."""

from __future__ import annotations

from source_tree import MODULE_CMAKE, RESOURCES, SCRIPTS, module_files, with_cmake_list


def main() -> None:
    """Replace both lists by what is in the tree."""
    text = MODULE_CMAKE.read_text(encoding="utf-8")
    for variable, entries in zip((SCRIPTS, RESOURCES), module_files(), strict=True):
        text = with_cmake_list(text, variable, entries)
    MODULE_CMAKE.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
