#!/usr/bin/env bash
# Install what the window, the virtual screen and the virtual environment need from the system, if any of it is missing.
set -euo pipefail

# What Qt's xcb platform, OpenGL in software and Debian's python3 need; found with ldd on a bare system.
packages=(
    python3 python3-venv
    xvfb xauth
    libgl1 libegl1 libgl1-mesa-dri libopengl0
    libdbus-1-3 libfontconfig1 libglib2.0-0 libx11-xcb1
    libxkbcommon0 libxkbcommon-x11-0
    libxcb-cursor0 libxcb-glx0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0
    libxcb-render0 libxcb-shape0 libxcb-shm0 libxcb-sync1 libxcb-util1 libxcb-xfixes0 libxcb-xkb1
    fonts-dejavu-core
)

# Newer releases carry some packages under a name that ends in t64.
installed() {
    dpkg-query --show --showformat='${db:Status-Status}\n' "$1" "${1}t64" 2>/dev/null | grep -qx installed
}

if ! command -v apt-get >/dev/null; then
    echo "This system has no apt-get. If a step below fails, install what matches: ${packages[*]}" >&2
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "These system packages are missing: ${missing[*]}. Install them as root, then run make again." >&2
        exit 1
    fi
    root=(sudo)
fi

echo "Installing system packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${root[@]}" apt-get update && "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    cat "$log" >&2
    echo "apt-get could not install the system packages; its words are above." >&2
    exit 1
fi
