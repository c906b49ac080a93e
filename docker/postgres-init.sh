#!/bin/sh
# One database each for lakeFS, Label Studio and datahub's catalog, each with an owner of its own
# who can enter no other. PostgreSQL's image runs this once, when its volume is empty.
set -eu

make_database() {
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
        --set "name=$1" --set "password=$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}

make_database lakefs "${LAKEFS_DB_PASSWORD:?}"
make_database labelstudio "${LABEL_STUDIO_DB_PASSWORD:?}"
make_database datahub "${DATAHUB_DB_PASSWORD:?}"
