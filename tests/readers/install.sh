#!/usr/bin/env bash
# Installs the foreign readers on Debian 12 and builds our programs around them. Quick when all is there.
# Without root, or a sudo that asks nothing, it names the missing packages and fails.
# The reader stream-unzip is a Python package, which comes with the project's test dependencies.
#
# READERS_BUILD_DIR: where the built programs go; .build beside this file by default.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=${READERS_BUILD_DIR:-$here/.build}

# A program and the package that has it: what is there by other means is not installed again.
programs="
unzip       unzip
zipinfo     unzip
zip         zip
7zz         7zip
bsdtar      libarchive-tools
unar        unar
lsar        unar
ziptool     ziptool
go          golang-go
java        default-jdk-headless
javac       default-jdk-headless
node        nodejs
npm         npm
busybox     busybox
curl        curl
wget        wget
aria2c      aria2
python3     python3
"

missing_packages() {
    while read -r program package; do
        if [ -n "$program" ] && ! command -v "$program" >/dev/null; then
            echo "$package"
        fi
    done <<<"$programs" | sort -u
}

install_packages() {
    local as_root=(env DEBIAN_FRONTEND=noninteractive)
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo -n "${as_root[@]}")
    fi
    if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
        echo "These packages are missing, and this user cannot install them:" "$@" >&2
        exit 1
    fi
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" apt-get install -q -y --no-install-recommends "$@"
}

mapfile -t missing < <(missing_packages)
if [ ${#missing[@]} -gt 0 ]; then
    install_packages "${missing[@]}"
    hash -r
    mapfile -t missing < <(missing_packages)
    if [ ${#missing[@]} -gt 0 ]; then
        echo "These packages were installed, but their programs are not on the PATH:" "${missing[@]}" >&2
        exit 1
    fi
fi

mkdir -p "$build"
if [ ! "$build/ReadZip.class" -nt "$here/programs/ReadZip.java" ]; then
    javac -d "$build" "$here/programs/ReadZip.java"
fi
if [ ! "$build/readzip" -nt "$here/programs/readzip.go" ]; then
    # The standard library only: nothing to look up, so no module and no network.
    env -u GOFLAGS CGO_ENABLED=0 GO111MODULE=off go build -o "$build/readzip" "$here/programs/readzip.go"
fi
if [ ! "$here/node/node_modules/.package-lock.json" -nt "$here/node/package-lock.json" ]; then
    (cd "$here/node" && npm ci --ignore-scripts --no-audit --no-fund)
fi
