"""The panel: one file for each of its sections, put together by :mod:`.panel`."""
