"""The bytes of a repository as files in a folder; both version stores keep them so."""
