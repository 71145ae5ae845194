#!/bin/sh
# Usage: sh deploy/new-env.sh. Writes .env from .env.example, with a random password for each one that is asked for.
set -eu
cd "$(dirname "$0")/.."

if [ -e .env ]; then
    echo "new-env: .env exists, and its passwords may be those of a database: move it away first, or edit it." >&2
    exit 2
fi

umask 077 # before there is anything to read
while IFS= read -r line; do
    case $line in
        [A-Z]*_PASSWORD=) printf '%s%s\n' "$line" "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" ;;
        *) printf '%s\n' "$line" ;;
    esac
done <.env.example >.env.new
mv .env.new .env
echo ".env is written; only you can read it. Keep a copy: without POSTGRES_PASSWORD nobody comes to the database as its owner."
