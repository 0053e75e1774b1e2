"""What becomes of a table in which names are one on some system."""

from bigzip.errors import EntryProblem, NameRefused, PlanRefused, printable
from bigzip.plan.collisions import find_collisions, renamed
from bigzip.plan.names import CollisionPolicy, NamePolicy, checked_name
from bigzip.plan.table import EntryTable, Names


def without_collisions(table: EntryTable, policy: CollisionPolicy) -> EntryTable:
    """The table without rows that say the same twice, and with other names where the policy is to rename.

    Raises:
        PlanRefused: names collide, and none may be changed.
    """
    names = Names(table)
    collisions = find_collisions(names)
    if not collisions:
        return table
    repeated = {row for row, other in collisions if table.says_the_same(row, other)}
    collisions = [collision for collision in collisions if collision.row not in repeated]
    if policy is CollisionPolicy.REFUSE and collisions:
        raise PlanRefused(
            [
                EntryProblem(
                    entry=names[collision.row],
                    reason=f"its name and that of {printable(names[collision.other])!r} are one on some systems",
                    remedy="rename or exclude one of them, or let collisions be renamed",
                )
                for collision in collisions
            ]
        )
    new_names = renamed(names, collisions)
    for row, new_name in new_names.items():
        try:
            checked_name(new_name, NamePolicy.AS_IS)
        except NameRefused as refusal:
            raise PlanRefused(
                [EntryProblem(entry=names[row], reason=refusal.reason, remedy=refusal.remedy)]
            ) from refusal
    result = EntryTable(table.connections)
    for row in range(len(table)):
        if row not in repeated:
            result.append_row(table, row, name=new_names.get(row))
    return result
