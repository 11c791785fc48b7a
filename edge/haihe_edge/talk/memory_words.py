"""What can be wrong with the memory of a profile, in Chinese; the English sentences stand where it is checked."""

MEMORY_FAULTS = {
    "memory: of an instrument that must be woken first cannot be read back yet": (
        "memory：须先唤醒的仪器，其内存尚不能补读"
    ),
    "memory: write exactly one of stride, select and since": "memory：stride、select、since 须写且只写一个",
    "since: entries have no numbers there; see numbered, pointer, count": (
        "since：此方式下记录没有编号；请检查 numbered、pointer、count"
    ),
    "parts: [seconds] alone and as u32, or parts of a date": "parts：单独写 [seconds] 且 as 为 u32，或写日期的各部分",
    "function: 6 writes one register; use 16": "function：6 只写一个寄存器；请用 16",
    "pointer: belongs to 'numbered: ring', and that needs it": "pointer：与 numbered: ring 必须同时写",
    "numbered: from_oldest needs 'count: …'": "numbered：from_oldest 需要写 count:",
    "entries: the last number is beyond 65535": "entries：最后一个编号超过 65535",
    "{key}: {word} is no plain number": "{key}：{word} 不是普通数值",
    "{key}: {word} is no point of the profile": "{key}：型号文件中没有点位 {word}",
    "{key}: {word} is no plain number of the entry": "{key}：{word} 不是记录中的普通数值",
    "{key}: {word} is no plain number of the profile": "{key}：{word} 不是型号文件中的普通数值",
    "{point}: depends on {word}, which is no plain number": "{point}：依赖 {word}，而它不是普通数值",
    "name: {word} is a point of the profile; choose another": "name：{word} 已是型号文件中的点位；请另取名称",
    "{key}: not in an entry": "{key}：不能用于内存记录",
    "of: there is no point {word}": "of：没有点位 {word}",
    "element: is that of the point named by 'of'; leave one out": "element：与 of 所指点位的要素重复；请去掉其一",
    "statistic: a mean, min, max or total has an interval_s": "statistic：mean、min、max、total 须写 interval_s",
    "as: text is no measurement": "as：text 不是测量值",
    "entry: nothing of it becomes a reading; write 'of: …' or 'element: …'": (
        "entry：没有任何内容成为测值；请写 of: 或 element:"
    ),
    "time: write year, month, day, …, or seconds": "time：请写 year、month、day……，或写 seconds",
    "time: a coarser part is missing, as in a month without a year": "time：缺少较大的时间单位，例如有月而无年",
    "every_s: entries that come since a time must say their own": "every_s：按时间读取的记录必须自带时间",
    "since: {day} is no date": "since：{day} 不是日期",
    "zone: {zone} is no zone; Beijing is +08:00": "zone：{zone} 不是时区；北京时间为 +08:00",
    "table: memories are read from holding or input registers": "table：内存只能从 holding 或 input 寄存器读取",
    "at: {point} of entry {n} ({at}) lies in no declared {table} block; see blocks": (
        "at：第 {n} 条记录的 {point}（{at}）不在已声明的 {table} 块内；见 blocks"
    ),
    "entries: all that come together must lie in one block and be read in one go": (
        "entries：一次给出的记录必须在同一块内并能一次读完"
    ),
}
