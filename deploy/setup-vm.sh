#!/usr/bin/env bash
# Usage: sudo bash deploy/setup-vm.sh. Makes a new Debian 12 or 13 ready: swap, Docker from its makers' own packages,
# updates by themselves. What is there already is left as it is, so that it may be run again.
# ROOT: another place for the files it writes, for tests.
set -euo pipefail

root=${ROOT:-}
swap_file=$root/swapfile
swap_mb=2048

say() { printf 'setup-vm: %s\n' "$*"; }

if [ "$(id -u)" -ne 0 ]; then
    say "run it as root: sudo bash deploy/setup-vm.sh" >&2
    exit 2
fi
if ! grep -qs '^ID=debian' "$root/etc/os-release"; then
    say "this is no Debian: do by hand what docs/deploy.md lists." >&2
    exit 2
fi

# 1 GB of memory is enough for an ordinary hour; a dashboard and an export at the same moment take some of this.
swap() {
    if [ -e "$swap_file" ]; then
        say "swap: $swap_file is there"
    else
        say "swap: $swap_mb MB in $swap_file"
        # dd and not fallocate: a file with holes is refused by swapon on some file systems.
        (umask 077 && dd if=/dev/zero of="$swap_file.new" bs=1M count="$swap_mb" status=none)
        mkswap "$swap_file.new" >/dev/null
        mv "$swap_file.new" "$swap_file" # only when complete
    fi
    grep -qs "^$swap_file " "$root/etc/fstab" || echo "$swap_file none swap sw 0 0" >>"$root/etc/fstab"
    swapon --show=NAME --noheadings | grep -qx "$swap_file" || swapon "$swap_file"
    # 10: out of memory goes what nobody touches, not what a query reads.
    mkdir -p "$root/etc/sysctl.d"
    echo "vm.swappiness = 10" >"$root/etc/sysctl.d/60-nokchart.conf"
    sysctl -q -p "$root/etc/sysctl.d/60-nokchart.conf"
}

docker_engine() {
    if command -v docker >/dev/null && docker compose version >/dev/null 2>&1; then
        say "docker: it is there"
        return
    fi
    say "docker: from download.docker.com"
    apt-get update -q
    apt-get install -q -y ca-certificates curl
    mkdir -p "$root/etc/apt/keyrings" "$root/etc/apt/sources.list.d"
    curl -fsSL https://download.docker.com/linux/debian/gpg -o "$root/etc/apt/keyrings/docker.asc"
    chmod a+r "$root/etc/apt/keyrings/docker.asc"
    codename=$(sed -n 's/^VERSION_CODENAME=//p' "$root/etc/os-release")
    cat >"$root/etc/apt/sources.list.d/docker.list" <<LIST
deb [arch=$(dpkg --print-architecture) signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.com/linux/debian $codename stable
LIST
    apt-get update -q
    apt-get install -q -y docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin
}

# Security updates every night; Docker itself only by hand, because its update restarts every container.
updates() {
    say "updates: by themselves"
    apt-get install -q -y unattended-upgrades
    mkdir -p "$root/etc/apt/apt.conf.d"
    cat >"$root/etc/apt/apt.conf.d/60-nokchart" <<'CONF'
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
Unattended-Upgrade::Automatic-Reboot "true";
Unattended-Upgrade::Automatic-Reboot-Time "20:30"; // UTC: 05:30 in Korea, after the nightly job
CONF
}

swap
docker_engine
systemctl enable --now docker
updates
if [ -n "${SUDO_USER:-}" ]; then
    usermod -aG docker "$SUDO_USER"
    say "log out and in again: then $SUDO_USER may use docker without sudo"
fi
say "done"
