"""How good a value is, and how good the clock was that stamped it."""

from enum import IntEnum, IntFlag


class Flag(IntEnum):
    """The primary flag of QARTOD (U.S. IOOS, Manual for Real-Time Quality Control, 2018 and later)."""

    PASS = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    FAIL = 4
    MISSING = 9


class Reason(IntFlag):
    """Why a reading is not a plain pass. Several may hold at once. Numbers are part of the wire."""

    NONE = 0
    TIMEOUT = 1 << 0  # the instrument did not answer
    CHECKSUM = 1 << 1  # it answered, and the frame was damaged
    EXCEPTION = 1 << 2  # it answered with a Modbus exception
    BUS_DOWN = 1 << 3  # the port or connection could not be used
    SENTINEL = 1 << 4  # the instrument's own word for "no measurement"
    BEYOND_SENSOR = 1 << 5  # outside what the sensor can measure
    BEYOND_LOCAL = 1 << 6  # outside what is believable at this place
    NO_FIX = 1 << 7  # the positioning receiver has no fix
    DAMAGED = 1 << 8  # bytes that the profile does not explain
    SKIPPED = 1 << 9  # not asked: the instrument is being left alone after failures
    MOVED = 1 << 10  # the position is not where the station stands
    SHIFTED_1MS = 1 << 11  # moved by 1 ms: the series already had a reading at that time
    MISMATCH = 1 << 12  # who answers is not (or not alone) the instrument that the site file names
    INCOMPLETE = 1 << 13  # the interval could not be observed from its beginning to its end
    DOUBTFUL = 1 << 14  # the instrument itself says that this value is not sure
    THINNED = 1 << 15  # an extreme that was kept of a block of readings; the others gave way for want of space
    FROM_MEMORY = 1 << 16  # read back later from the instrument's own memory, stamped by its own clock


class Grade(IntEnum):
    """How good the clock was, worst first. Numbers are part of the wire."""

    NONE = 0  # no trusted clock: the time is milliseconds of this boot, not of the day
    SYSTEM = 1  # the machine's clock, newer than everything recorded before, checked by nobody
    BOUNDED = 2  # lies between two known moments; the middle is given
    RTC = 3  # a battery-backed clock that was set from a trusted source
    CENTRE = 4  # compared with the centre
    NTP = 5  # disciplined by NTP
    GNSS = 6  # disciplined by satellite


GRADE_NAMES = {
    Grade.NONE: ("无可信时钟", "no trusted clock"),
    Grade.SYSTEM: ("系统时钟(未校验)", "system clock, unchecked"),
    Grade.BOUNDED: ("区间估计", "bounded"),
    Grade.RTC: ("后备时钟", "RTC"),
    Grade.CENTRE: ("中心校时", "centre"),
    Grade.NTP: ("网络校时", "NTP"),
    Grade.GNSS: ("卫星授时", "GNSS"),
}
"""Chinese and English names of the grades."""

FLAG_NAMES = {
    Flag.PASS: ("合格", "good"),
    Flag.NOT_EVALUATED: ("未检查", "not evaluated"),
    Flag.SUSPECT: ("可疑", "suspect"),
    Flag.FAIL: ("不合格", "failed"),
    Flag.MISSING: ("缺测", "missing"),
}
"""Chinese and English names of the flags."""

REASON_NAMES = {
    Reason.TIMEOUT: ("无应答", "no answer"),
    Reason.CHECKSUM: ("校验错误", "damaged answer"),
    Reason.EXCEPTION: ("仪器返回异常码", "instrument refused"),
    Reason.BUS_DOWN: ("总线不可用", "bus not available"),
    Reason.SENTINEL: ("仪器报告无测值", "instrument says no value"),
    Reason.BEYOND_SENSOR: ("超出量程", "beyond sensor range"),
    Reason.BEYOND_LOCAL: ("超出当地合理范围", "beyond local range"),
    Reason.NO_FIX: ("未定位", "no position fix"),
    Reason.DAMAGED: ("数据无法解释", "bytes not understood"),
    Reason.SKIPPED: ("故障后暂停查询", "left alone after failures"),
    Reason.MOVED: ("位置偏移", "position has moved"),
    Reason.SHIFTED_1MS: ("时间顺延1毫秒", "shifted by 1 ms"),
    Reason.MISMATCH: ("仪器与配置不符", "not the instrument that was expected"),
    Reason.INCOMPLETE: ("时段观测不完整", "interval not fully observed"),
    Reason.DOUBTFUL: ("仪器自报可疑", "doubted by the instrument"),
    Reason.THINNED: ("抽稀保留的极值", "extreme kept of a thinned block"),
    Reason.FROM_MEMORY: ("由仪器内存补读", "read later from the instrument's memory"),
}
"""Chinese and English names of the reasons."""


def reasons_text(reasons: Reason, language: str) -> str:
    """The reasons as words, joined for a table cell."""
    at = 0 if language == "zh" else 1
    return ("、" if at == 0 else ", ").join(names[at] for reason, names in REASON_NAMES.items() if reason in reasons)


def mark(flag: Flag, reasons: Reason) -> int:
    """Pack flag and reasons into the one integer that journal and wire carry."""
    return int(flag) | int(reasons) << 4


def unmark(packed: int) -> tuple[Flag, Reason]:
    """Undo :func:`mark`.

    Raises:
        ValueError: for a flag that QARTOD does not know.
    """
    return Flag(packed & 0xF), Reason(packed >> 4)


PASS_MARK = mark(Flag.PASS, Reason.NONE)
"""The mark of a plain good value."""
