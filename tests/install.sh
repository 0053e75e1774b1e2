#!/usr/bin/env bash
# Installs what the tests run besides Python packages: foreign readers, HTTP clients, Chromium, nginx, Redis, RabbitMQ,
# Azurite. Does nothing when all is there. Where it may not install, it says what is missing.
set -euo pipefail
cd "$(dirname "$0")"

declare -A package_of=([curl]=curl [wget]=wget [aria2c]=aria2 [nginx]=nginx-light [chromium]=chromium
    [initdb]=postgresql [redis-server]=redis-server [rabbitmq-server]=rabbitmq-server)
missing=()
programs=$PATH:/usr/sbin:$(printf '%s:' /usr/lib/postgresql/*/bin)
for command in "${!package_of[@]}"; do
    PATH=$programs command -v "$command" > /dev/null || missing+=("${package_of[$command]}")
done
if ((${#missing[@]})); then
    sudo=()
    if ((EUID != 0)); then
        if ! sudo -n true 2> /dev/null; then
            echo "The tests need Debian packages: apt install ${missing[*]}" >&2
            exit 1
        fi
        sudo=(sudo)
    fi
    export DEBIAN_FRONTEND=noninteractive
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
fi
readers/install.sh

# The last version without telemetry, and without the 65 MB that come with it. What it needs is taken as it was on one
# day: that runs on the node 18 of Debian 12.
azurite=(azurite@3.33.0 --before=2026-06-01)
if [[ $(cat .azurite/installed 2> /dev/null) != "${azurite[*]}" ]]; then
    rm -rf .azurite
    if ! npm install --prefix .azurite --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund "${azurite[@]}"; then
        echo "The tests need the npm package ${azurite[0]} in tests/.azurite" >&2
        exit 1
    fi
    echo "${azurite[*]}" > .azurite/installed
fi
