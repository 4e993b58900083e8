#!/bin/sh
# Writes a random password for each store that has none yet; what is there stays.
set -eu
cd "$(dirname "$0")/../.."
umask 077
mkdir -p secrets
for name in database_password redis_password; do
    [ -s "secrets/$name" ] && continue
    python3 -c 'import secrets; print(secrets.token_hex(32))' > "secrets/$name"
    # Containers read it as users of their own; the folder is closed to everybody else.
    chmod 0444 "secrets/$name"
    echo "[compose] wrote secrets/$name"
done
