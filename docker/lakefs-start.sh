#!/bin/sh
# Start lakeFS with its first account. It makes one of LAKEFS_INSTALLATION_... by itself only where
# its database is a local file; over PostgreSQL `lakefs setup` must. That prints the secret, which
# is no business of a log, and ends with 1 where there is an account already.
set -eu

said=$(lakefs setup --user-name "$LAKEFS_INSTALLATION_USER_NAME" \
    --access-key-id "$LAKEFS_INSTALLATION_ACCESS_KEY_ID" \
    --secret-access-key "$LAKEFS_INSTALLATION_SECRET_ACCESS_KEY" 2>&1) ||
    case "$said" in
        *"Setup is already complete"*) ;;
        *) printf '%s\n' "$said" >&2; exit 1 ;;
    esac
exec lakefs run
