"""All commands, in the order of ``svcform --help``: one literal."""

from __future__ import annotations

from collections.abc import Callable

from svcform.cli.apply import add as add_apply
from svcform.cli.destroy import add as add_destroy
from svcform.cli.dns import add as add_dns
from svcform.cli.forget import add as add_forget
from svcform.cli.get import add as add_get
from svcform.cli.history import add as add_history
from svcform.cli.init import add as add_init
from svcform.cli.inventory import add as add_inventory
from svcform.cli.lab import add as add_lab
from svcform.cli.lock import add as add_lock
from svcform.cli.observe import add as add_observe
from svcform.cli.parser import Subparsers
from svcform.cli.plan import add as add_plan
from svcform.cli.render import add as add_render
from svcform.cli.rollback import add as add_rollback
from svcform.cli.show import add as add_show
from svcform.cli.status import add as add_status
from svcform.cli.trust import add as add_trust
from svcform.cli.unlock import add as add_unlock
from svcform.cli.validate import add as add_validate

#: What adds each command's grammar; the command itself is the grammar's default ``run``.
COMMANDS: tuple[Callable[[Subparsers], None], ...] = (
    add_init,
    add_validate,
    add_plan,
    add_apply,
    add_show,
    add_status,
    add_history,
    add_rollback,
    add_get,
    add_destroy,
    add_observe,
    add_render,
    add_dns,
    add_inventory,
    add_trust,
    add_unlock,
    add_lock,
    add_forget,
    add_lab,
)
