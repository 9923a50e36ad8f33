# Starts PostgreSQL on the volume; makes its database there first when there is none. Half of one is begun anew.
set -eu
for folder in /usr/lib/postgresql/*/bin; do
  if [ -x "$folder/postgres" ]; then PATH="$folder:$PATH"; fi
done
umask 077
data=/var/lib/postgresql/database
if [ ! -s "$data/PG_VERSION" ]; then
  rm -rf "$data" "$data.draft"
  initdb --pgdata="$data.draft" --username=mooring --pwfile=/etc/mooring/database/password --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
  echo 'host all all all scram-sha-256' >> "$data.draft/pg_hba.conf"
  echo 'CREATE DATABASE mooring' | postgres --single -D "$data.draft" postgres
  mv "$data.draft" "$data"
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp
