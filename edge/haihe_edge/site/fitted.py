"""A profile as it is at one instrument of a site: its variant, and the numbers that only the station knows."""

from collections.abc import Callable

from haihe_contract.document import near

from haihe_edge.profile import ModbusProfile, Profile, varied, with_parameters

from .written import WrittenInstrument

_Path = tuple[str | int, ...]


def fitted(
    profile: Profile, each: WrittenInstrument, period_ms: int, path: _Path, wrong: Callable[[_Path, str], None]
) -> Profile:
    """The profile with everything put in that the site file says about this one instrument.

    Args:
        profile: of the model.
        each: the instrument as it is written.
        period_ms: how often it is read.
        path: its place in the file.
        wrong: told what does not fit.
    """
    if not isinstance(profile, ModbusProfile):
        for key in ("variant", "parameters"):
            if getattr(each, key):
                wrong((*path, key), f"{key}: {profile.profile} has none")
        return profile
    if period_ms < profile.min_interval_ms:
        wrong(
            (*path, "every"),
            f"every: {profile.profile} has nothing new within {profile.min_interval_ms / 1000:g}s; ask it less often",
        )
    if each.variant is not None:
        chosen = next((variant for variant in profile.variants if variant.name == each.variant), None)
        if chosen is None:
            names = [variant.name for variant in profile.variants]
            wrong((*path, "variant"), f"variant: {profile.profile} has no {each.variant!r}{near(each.variant, names)}")
        else:
            profile = varied(profile, chosen)
    return with_parameters(profile, _parameters(profile, each, path, wrong))


def _parameters(
    profile: ModbusProfile, each: WrittenInstrument, path: _Path, wrong: Callable[[_Path, str], None]
) -> dict[str, float]:
    known = {parameter.name: parameter for parameter in profile.parameters}
    given: dict[str, float] = {}
    for name, value in each.parameters.items():
        asked = known.get(name)
        place = (*path, "parameters", name)
        if asked is None:
            wrong(place, f"{name}: {profile.profile} has no such parameter{near(name, known)}")
        elif (asked.low is not None and value < asked.low) or (asked.high is not None and value > asked.high):
            wrong(place, f"{name}: {value:g} is out of range ({asked.why})")
        else:
            given[name] = value
    for asked in profile.parameters:
        if asked.default is None and asked.name not in each.parameters:
            wrong(path, f"parameters: {profile.profile} needs {asked.name!r}: {asked.why}")
    return given
