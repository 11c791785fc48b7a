"""What a site lets be written to its instruments and commanded: checked against what their profiles know at all."""

from collections.abc import Callable

from haihe_contract.document import near

from haihe_edge.profile import ModbusProfile, Profile

_Path = tuple[str | int, ...]


def writable(
    names: tuple[str, ...], profile: Profile, path: _Path, wrong: Callable[[_Path, str], None]
) -> tuple[str, ...]:
    """The points that may be written; complains about those that the profile does not allow.

    Args:
        names: as the site file lists them.
        profile: of the instrument.
        path: of the instrument.
        wrong: where to complain.
    """
    points = {point.name: point for point in profile.points} if isinstance(profile, ModbusProfile) else {}
    allowed = [name for name, point in points.items() if point.writable is not None]
    for index, name in enumerate(names):
        if name not in allowed:
            known = near(name, allowed) if allowed else "; it lets no point be written"
            wrong((*path, "writable", index), f"writable: {profile.profile} does not let {name!r} be written{known}")
            continue
        rule = points[name].writable
        if rule is not None and not rule.is_one_of and (rule.low is None or rule.high is None):
            wrong(
                (*path, "writable", index),
                f"writable: {profile.profile} gives no range for {name!r}; its profile needs low and high",
            )
    return names


def commands(
    names: tuple[str, ...], profile: Profile, path: _Path, wrong: Callable[[_Path, str], None]
) -> tuple[str, ...]:
    """The commands that may be sent; complains about those that the profile does not have.

    Args:
        names: as the site file lists them.
        profile: of the instrument.
        path: of the instrument.
        wrong: where to complain.
    """
    known = [each.name for each in profile.commands] if isinstance(profile, ModbusProfile) else []
    for index, name in enumerate(names):
        if name not in known:
            hint = near(name, known) if known else "; it has none"
            wrong((*path, "commands", index), f"commands: {profile.profile} has no command {name!r}{hint}")
    return names
