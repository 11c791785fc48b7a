"""Two kinds of fault, never mixed: our own mistakes, and what the world does."""


class ProgramError(Exception):
    """The program is wrong. Nothing catches this but the supervisor that restarts the process."""


class FieldError(Exception):
    """A fault of the world that a person can act on.

    Args:
        what: what is wrong, in one sentence.
        where: file:line:column, or bus and address, or topic.
        do: what to do next: a command to run or a thing to look at.
    """

    def __init__(self, what: str, *, where: str = "", do: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.do = do

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where  {self.where}")
        if self.do:
            lines.append(f"  do     {self.do}")
        return "\n".join(lines)


def must(holds: bool, why: str = "") -> None:
    """Stop if the program, not the world, is wrong. Never use it on outside input.

    Raises:
        ProgramError: when the condition does not hold.
    """
    if not holds:
        raise ProgramError(why)
