#!/usr/bin/env bash
# Builds nginx's module mod_zip for Debian's nginx, from its sources (https://github.com/evanmiller/mod_zip):
#
#     bench/mod_zip.sh SOURCES DIRECTORY && python -m bench http-store --mod-zip DIRECTORY/ngx_http_zip_module.so
#
# It needs the Debian packages nginx-dev, gcc and make.
set -euo pipefail
sources=$(realpath "$1")
mkdir -p "$2"
directory=$(realpath "$2")

if [[ ! -e /usr/share/nginx/src/conf_flags ]]; then
    echo "The sources of Debian's nginx are missing: apt install nginx-dev gcc make" >&2
    exit 1
fi
cd /usr/share/nginx/src
. ./conf_flags # sets NGX_CONF_FLAGS: a module must be configured as nginx was
./configure "${NGX_CONF_FLAGS[@]}" --with-cc-opt="-O2 -fPIC" --add-dynamic-module="$sources" \
    --builddir="$directory" > "$directory/log"
make -f "$directory/Makefile" modules >> "$directory/log"
ls "$directory/ngx_http_zip_module.so"
