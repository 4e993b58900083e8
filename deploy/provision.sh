#!/bin/sh
# Installs the servers and programs that tests start for real, where it may.
# A test says loudly what it could not start; with VOICEENGINE_CI=1 that fails.
set -eu
missing=""
[ -d /usr/lib/postgresql ] || missing="$missing postgresql"
command -v node >/dev/null 2>&1 || missing="$missing nodejs npm"
command -v espeak-ng >/dev/null 2>&1 || missing="$missing espeak-ng"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
command -v firefox-esr >/dev/null 2>&1 || missing="$missing firefox-esr"
command -v turnserver >/dev/null 2>&1 || missing="$missing coturn"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "[setup] tests that need these are left out:$missing"
    exit 0
fi
echo "[setup] installing for the tests:$missing"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null
