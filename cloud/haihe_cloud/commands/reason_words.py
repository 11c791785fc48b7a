# ruff: noqa: E501 - a table reads best with one sentence a line
"""Why a message or a record was not taken, in Chinese; the English sentences stand in the code and in the database."""

REASONS = {
    "does not begin like a batch": "开头不是批次",
    "version {n} is not known here": "不认得版本 {n}",
    "flags {flags} are not known here": "不认得标志 {flags}",
    "envelope not readable: {why}": "信封无法读取：{why}",
    "a station code has eight digits or capital letters": "站码应为八位数字或大写字母",
    "digest does not fit the contents": "摘要与内容不符",
    "codec {n} is not known here": "不认得压缩方式 {n}",
    "body does not decompress: {why}": "正文无法解压：{why}",
    "body not readable: {why}": "正文无法读取：{why}",
    "body is not the {n} bytes that its envelope says": "正文长度与信封所写的 {n} 字节不符",
    "asks for {n} bytes, more than a body may have ({most})": "正文声称 {n} 字节，超过上限 {most}",
    "{n} bytes are more than a batch may have ({most})": "{n} 字节，超过批次上限 {most}",
    "no topic on which stations send batches": "不是测站上报批次的主题",
    "asks for its states with {n} bytes, not with {most}": "查询状态用了 {n} 字节，应为 {most} 字节",
    "names station {named}, but {speaker} has sent it": "写的是测站 {named}，但由 {speaker} 发来",
    "number {n} is beyond any journal": "编号 {n} 超出任何日志",
    "a volatile batch without the dictionary of its line": "临时批次没有带本编号段的测项表",
    "record {n}: {why}": "记录 {n}：{why}",
    "dictionary contradicts the one of the same line": "测项表与同一编号段先前的矛盾",
    "of kind {n}, in a form that this version does not know": "类型 {n}，本版本不认得其形式",
    "cannot be read": "无法读取",
    "time {n} does not exist": "时间 {n} 不存在",
    "clock grade {n} does not exist": "时钟等级 {n} 不存在",
    "its station is not registered": "测站未登记",
    "the dictionary of its line is not here": "没有其编号段的测项表",
    "follower {name} failed at position {n}: {why}": "后续处理 {name} 在位置 {n} 失败：{why}",
}
"""What stands as a reason in the quarantine; a reason that is not here stays English."""
