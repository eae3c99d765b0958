#!/bin/bash
# Builds skiff and skiff-size with the release profile and prints their sizes in bytes. See README.md.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
limit=6000000
files=$(cargo build --release -p skiff -p skiff-size --message-format json-render-diagnostics | grep -o '"executable":"[^"]*"' | cut -d '"' -f 4)
for name in skiff skiff-size; do
    file=$(grep "/$name\$" <<<"$files")
    size=$(stat -c %s "$file")
    printf '%-12s %9d bytes\n' "$name" "$size"
done
[ "$size" -lt $limit ] || { echo "too large: the aim is under $limit bytes"; exit 1; }
