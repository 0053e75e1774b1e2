#!/usr/bin/env bash
# Installs the programs that the measurements run beside bigzip. Does nothing when all are there. Where it may not
# install, it says what is missing: the tables say so too, and the rest is measured.
set -euo pipefail

declare -A package_of=([7zz]=7zip [bsdtar]=libarchive-tools [curl]=curl [nginx]=nginx-light [pigz]=pigz [zip]=zip)
missing=()
for command in "${!package_of[@]}"; do
    PATH=$PATH:/usr/sbin command -v "$command" > /dev/null || missing+=("${package_of[$command]}")
done
((${#missing[@]})) || exit 0
sudo=()
if ((EUID != 0)); then
    if ! sudo -n true 2> /dev/null; then
        echo "Some peers are missing, and are left out. They are Debian packages: apt install ${missing[*]}" >&2
        exit 0
    fi
    sudo=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
