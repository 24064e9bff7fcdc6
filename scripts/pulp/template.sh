#!/usr/bin/env bash
# Writes the folder that each test's Pulp begins as a copy of: a PostgreSQL cluster with Pulp's tables in it and an
# administrator "admin" with the password "password", and Pulp's key files. The migrations take a minute, a copy a moment.
#
#   scripts/pulp/template.sh VENV POSTGRESQL-BIN FOLDER      FOLDER must not exist yet
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$1 postgresql=$2 folder=$3

# PostgreSQL refuses to run as root; its package brings a user that may.
as_postgres() {
  if [[ $(id -u) == 0 ]]; then
    setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
  else
    "$@"
  fi
}

# In a folder of its own under /tmp: the path of a socket may not be long, and the user postgres must be able to reach it.
work=$(mktemp -d /tmp/countersign-pulp-XXXXXX)
chmod 711 "$work"
started=false
# shellcheck disable=SC2329 # the trap calls it
end() {
  if $started; then as_postgres "$postgresql/pg_ctl" -D "$work/database/data" -m immediate stop >/dev/null 2>&1 || true; fi
  rm -rf "$work"
}
trap end EXIT

mkdir "$work"/{database,media,assets,tmp}
if [[ $(id -u) == 0 ]]; then chown postgres: "$work/database"; fi
chmod 700 "$work/database"
cd "$work"

as_postgres "$postgresql/initdb" -D "$work/database/data" -U pulp -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
# On a socket in its folder alone; nothing that a crash could cost is worth waiting for.
cat >>"$work/database/data/postgresql.conf" <<-'SETTINGS'
	listen_addresses = ''
	fsync = off
	full_page_writes = off
	synchronous_commit = off
	shared_buffers = 32MB
	max_connections = 40
	wal_level = minimal
	max_wal_senders = 0
	min_wal_size = 32MB
SETTINGS
as_postgres "$postgresql/pg_ctl" -D "$work/database/data" -l "$work/database/log" -o "-k $work/database" -w start >/dev/null
started=true
"$postgresql/createdb" -h "$work/database" -U pulp pulp

openssl rand -base64 32 >"$work/fields.key"
openssl ecparam -genkey -name prime256v1 -noout -out "$work/token.key"
openssl ec -in "$work/token.key" -pubout -out "$work/token.pub" 2>/dev/null

manager() {
  env HOME="$work" PULP_SETTINGS="$here/settings.py" DJANGO_SETTINGS_MODULE=pulpcore.app.settings \
    COUNTERSIGN_PULP_FOLDER="$work" COUNTERSIGN_PULP_ORIGIN=http://127.0.0.1 "$venv/bin/pulpcore-manager" "$@" >/dev/null
}
manager migrate --noinput
manager reset-admin-password --password password

as_postgres "$postgresql/pg_ctl" -D "$work/database/data" -m fast -w stop >/dev/null
started=false
rm -f "$work/database/log"
# Whole or not at all.
rm -rf "$folder.new"
cp -a "$work" "$folder.new"
mv "$folder.new" "$folder"
