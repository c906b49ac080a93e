"""The command line and projects of the integration tests, for faults that were fixed."""

from tests.integration.conftest import datahub, guarded, labeled, project

__all__ = ["datahub", "guarded", "labeled", "project"]
