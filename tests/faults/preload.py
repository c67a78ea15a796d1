"""Imported once by the server that controllers are forked from."""

import svcform.cli.main
import svcform.engine.apply
import svcform.transport.ssh.session  # noqa: F401 - what is imported is the point
