# ruff: noqa: E501 - a table reads best with one sentence a line
"""What a table of stations can have wrong, in Chinese; the English sentences stand in the code."""

TABLE_FAULTS = {
    "the file is empty": "文件是空的",
    "the station is valid until {until}, before {since}; exchange the dates": "停用日期 {until} 早于启用日期 {since}；请对调",
    "the station is valid until {until}, before {since}": "停用日期 {until} 早于启用日期 {since}",
    "exchange the dates": "请对调日期",
    "the times from {first} and from {second} overlap; end the earlier one before the later one begins": "自 {first} 与自 {second} 的在用时间重叠；请先给前一段写停用日期",
    "the times from {first} and from {second} overlap": "自 {first} 与自 {second} 的在用时间重叠",
    "end the earlier one before the later one begins": "请先给前一段写停用日期",
    "until: there is no first day that it could end; write the first day as since": "until：没有可结束的启用日期；请写 since",
    "code: {code} stands in row {row} already": "code：{code} 在第 {row} 行已出现",
    "level_series: is missing beside the level": "level_series：写了水位却没有序列",
    "{name}: {text} is no station code; format the column as text, so that leading zeros stay": "{name}：{text} 不是站码；请将该列设为文本格式，以保留前导零",
    "{name}: {text} is no station code; write eight digits or capital letters": "{name}：{text} 不是站码；应为 8 位数字或大写字母",
    "{name}: wanted a number, got {text}": "{name}：应为数，写的是 {text}",
    "{name}: wanted a whole number of seconds, got {text}": "{name}：应为整数秒，写的是 {text}",
    "{name}: {text} is no date; write for example 2026-05-01": "{name}：{text} 不是日期；例如 2026-05-01",
    "{name}: {n} characters, at most {most} are allowed": "{name}：{n} 个字符，最多 {most} 个",
    "{text} is no column; the columns are {columns}": "{text} 不是列名；列名有 {columns}",
    "{name}: written twice": "{name}：写了两次",
    "the column code is missing": "缺少站码列 code",
    "more than {n} rows": "超过 {n} 行",
    "neither UTF-8 nor GB 18030 text": "既不是 UTF-8 也不是 GB 18030 文本",
    "not CSV: {why}": "不是 CSV：{why}",
    "not a workbook that can be read: {why}": "不是可读取的工作簿：{why}",
    "not a workbook that can be read: File is not a zip file": "不是可读取的工作簿：文件不是 XLSX 格式",
    "level_series: series key {text} has {n} parts, not 6": "level_series：序列键 {text} 有 {n} 段，应为 6 段",
    "level_series: series key {text} is malformed": "level_series：序列键 {text} 写法有误",
    "unpacks to more than {n} bytes": "解压后超过 {n} 字节",
    "{name}: {value} is outside ±{most}°; write decimal degrees": "{name}：{value} 超出 ±{most}°；请用十进制度",
}
"""What tables of stations can have wrong."""
