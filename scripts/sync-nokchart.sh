#!/usr/bin/env bash
# Fetches finished folders of broadcasts from the machine that collects, for this one to read; made for cron.
#
#   NOKCHART_SYNC_FROM=me@machine:nokchart/output  scripts/sync-nokchart.sh
#   PROJECT=my-project INSTANCE=nokchart ZONE=us-west1-b  scripts/sync-nokchart.sh       (through gcloud compute ssh)
#
# NOKCHART_SYNC_TO    where to (output)
# NOKCHART_SYNC_PATH  with INSTANCE: the folder over there, from the home folder or absolute (nokchart/output)
#
# It only reads over there. What is being written is not fetched: neither temporary files, nor a folder without a report
# whose events.jsonl changed within the hour. A transfer that broke off goes on where it was. Folders that the old tool
# called unknown_.. get their streamer's name, and what was not processed is, where nokchart is installed here.
# Works with the bash 3.2 and the rsync of macOS. Exit code 1: something could not be done, and is tried next time.
set -euo pipefail

say() { printf '%s sync-nokchart: %s\n' "$(date '+%Y-%m-%d %H:%M:%S')" "$*"; }
complain() {
    say "$*" >&2
    exit 2
}

through_gcloud() {
    local host=$1
    shift
    # What rsync hands to ssh is meant for a shell over there: one text.
    exec gcloud compute ssh "$host" --project="$PROJECT" --zone="$ZONE" --quiet --command="$*"
}

# rsync calls this very script as its ssh.
if [ "${1-}" = --through-gcloud ]; then
    shift
    through_gcloud "$@"
fi

to=${NOKCHART_SYNC_TO:-output}
if [ -n "${INSTANCE-}" ]; then
    [ -n "${PROJECT-}" ] && [ -n "${ZONE-}" ] || complain "INSTANCE needs PROJECT and ZONE beside it."
    export PROJECT ZONE
    host=$INSTANCE path=${NOKCHART_SYNC_PATH:-nokchart/output}
    here=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
    remote=("$here" --through-gcloud)
    remote_shell="'$here' --through-gcloud"
elif [ -n "${NOKCHART_SYNC_FROM-}" ]; then
    case $NOKCHART_SYNC_FROM in
        ?*:?*) host=${NOKCHART_SYNC_FROM%%:*} path=${NOKCHART_SYNC_FROM#*:} ;;
        *) complain "NOKCHART_SYNC_FROM is \"$NOKCHART_SYNC_FROM\": write it as user@host:folder." ;;
    esac
    remote=(ssh -o BatchMode=yes -o ConnectTimeout=20)
    remote_shell="ssh -o BatchMode=yes -o ConnectTimeout=20"
else
    complain "where from? Set NOKCHART_SYNC_FROM=user@host:folder, or PROJECT, INSTANCE and ZONE."
fi
path=${path#\~/} # over there every way begins at home
command -v rsync >/dev/null || complain "rsync is not installed here."

mkdir -p "$to"
lock=$to/.sync-lock
if ! mkdir "$lock" 2>/dev/null; then
    owner=$(cat "$lock/pid" 2>/dev/null || true)
    if [ -z "$owner" ] || kill -0 "$owner" 2>/dev/null; then
        say "another one is running${owner:+ (process $owner)}; if not, delete $lock."
        exit 0
    fi
    say "the last one (process $owner) was killed; going on."
fi
echo $$ >"$lock/pid"
list=$lock/folders
trap 'rm -rf "$lock"' EXIT

# 1. What is finished over there: <day>/<folder>, each ended by a NUL. A folder's report.json is written last.
quoted="'${path//\'/\'\\\'\'}'"
"${remote[@]}" "$host" "cd $quoted && find . -mindepth 3 -maxdepth 3 -type f \\( -name report.json -o \
-name events.jsonl -mmin +60 \\) -printf '%P\\0'" >"$list.files" ||
    complain "the folder $path of $host cannot be read."

: >"$list"
while IFS= read -r -d '' file; do
    folder=$(dirname "$file")
    name=$(basename "$folder")
    # One that has got its streamer's name here already is not fetched a second time under the old one.
    case $name in
        unknown_*) compgen -G "$to/$(dirname "$folder")/*_$name" >/dev/null && continue ;;
    esac
    printf '%s\0' "$folder" >>"$list"
done <"$list.files"

# 2. Fetch. -t, so that what is equal is not read again; no --delete: what is here stays here.
failed=0
if [ -s "$list" ]; then
    rsync -rt --from0 --files-from="$list" --exclude='.*.part' --exclude='.rsync-partial' \
        --partial-dir=.rsync-partial --timeout=120 -e "$remote_shell" "$host:$path/" "$to/" || failed=1
fi
[ "$failed" = 0 ] || say "not everything arrived; the next run goes on." >&2

# 3. unknown_<id> -> <streamer>_unknown_<id>
streamer_of() {
    python3 - "$1" <<'PYTHON'
import json, pathlib, re, sys
for name in ("collection_report.json", "report.json"):
    try:
        report = json.loads((pathlib.Path(sys.argv[1]) / name).read_text("utf-8"))
    except (OSError, ValueError):
        continue
    if not isinstance(report, dict):
        continue
    for key in ("streamer", "streamer_name", "channel_name"):
        if isinstance(value := report.get(key), str) and (safe := re.sub(r'[<>:"/\\|?*\x00-\x1f.]+', "_", value).strip("_ ")):
            print(safe[:26])
            sys.exit()
PYTHON
}
for folder in "$to"/*/unknown_*/; do
    [ -d "$folder" ] || continue
    folder=${folder%/}
    name=$(streamer_of "$folder" || true)
    [ -n "$name" ] || continue
    new=$(dirname "$folder")/${name}_$(basename "$folder")
    [ -e "$new" ] || { mv "$folder" "$new" && say "renamed: $new"; }
done

# 4. Process what nobody has processed.
if [ "$failed" = 0 ] && command -v nokchart >/dev/null; then # of half a folder nothing is made
    for events in "$to"/*/*/events.jsonl; do
        folder=$(dirname "$events")
        if [ ! -f "$events" ] || [ -e "$folder/report.json" ]; then
            continue
        fi
        if nokchart process --stream-dir "$folder" >/dev/null </dev/null; then
            say "processed: $folder"
        else
            failed=1 # nokchart has said why
        fi
    done
fi
exit "$failed"
