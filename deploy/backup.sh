#!/usr/bin/env bash
# Usage: sudo bash deploy/backup.sh. The whole database into backup/, and from there into a bucket; old ones go.
# From .env, or from the environment, which wins: BACKUP_BUCKET (gs://bucket/folder; without it nothing is uploaded) and
# BACKUP_KEEP (how many stay in each place; 7). Every night: deploy/nokchart-backup.timer.
set -euo pipefail
cd "$(dirname "$0")/.."

complain() {
    printf 'backup: %s\n' "$*" >&2
    exit 1
}

setting() { sed -n "s/^$1=//p" .env | tail -n 1; }

[ -e .env ] || complain "there is no .env here: run it in the folder of docker-compose.yml's project, after new-env.sh."
bucket=${BACKUP_BUCKET-$(setting BACKUP_BUCKET)}
bucket=${bucket%/}
keep=${BACKUP_KEEP-$(setting BACKUP_KEEP)}
keep=${keep:-7}
[[ $keep =~ ^[1-9][0-9]*$ ]] || complain "BACKUP_KEEP is \"$keep\": write a number of backups, at least 1."

if [ -n "$bucket" ]; then
    if command -v gcloud >/dev/null; then
        storage() { gcloud storage "$@"; }
    elif command -v gsutil >/dev/null; then
        storage() { gsutil "$@"; }
    else
        complain "BACKUP_BUCKET is set, and neither gcloud nor gsutil is installed."
    fi
fi

mkdir -p backup
exec 9>.backup.lock
flock -n 9 || complain "another backup is running."

# Half a backup never has the name of a whole one.
name=nokchart-$(date -u +%Y%m%dT%H%M%SZ).backup
trap 'rm -f "backup/$name.part"' EXIT
docker compose --profile backup run --rm -T backup db backup "/backup/$name.part" </dev/null
[ -s "backup/$name.part" ] || complain "the backup is empty: see what was said above."
mv "backup/$name.part" "backup/$name"
printf 'backup: %s, %s\n' "backup/$name" "$(du -h "backup/$name" | cut -f1)"

# The names sort by time; the newest are kept.
surplus() { sort | head -n "-$keep"; }

if [ -n "$bucket" ]; then
    storage cp "backup/$name" "$bucket/$name"
    storage ls "$bucket/nokchart-*.backup" | surplus | while read -r old; do storage rm "$old" </dev/null; done
fi
find backup -maxdepth 1 -name 'nokchart-*.backup' | surplus | while read -r old; do rm -f "$old"; done
