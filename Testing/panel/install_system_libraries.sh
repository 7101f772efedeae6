#!/bin/sh
# Installs what Qt needs to draw without a screen, where a bare Debian or Ubuntu lacks it.
#   install_system_libraries.sh PYTHON
set -eu
python=$1

can_draw() {
    QT_QPA_PLATFORM=offscreen "$python" - <<'PYTHON' >/dev/null 2>&1
from PySide6 import QtGui, QtUiTools, QtWidgets

application = QtWidgets.QApplication([])
assert QtGui.QFontDatabase.families()
PYTHON
}

can_draw && exit 0
packages="libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1 fonts-dejavu-core"
if ! command -v apt-get >/dev/null; then
    echo "Qt cannot draw here; install the equivalents of: $packages" >&2
    exit 1
fi
as_root=""
[ "$(id -u)" -eq 0 ] || as_root="sudo"
$as_root apt-get update -qq
# shellcheck disable=SC2086  # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
can_draw || { echo "Qt still cannot draw; run: $python -c 'import PySide6.QtWidgets'" >&2; exit 1; }
