"""Sentences of the station's side in Chinese; the English ones stand in the code."""

CHINESE = {
    # command line
    "The station's side of Haihe.": "海河系统的测站端。",
    "COMMAND": "命令",
    "language of the output (default: from the locale)": "输出语言（默认取自系统语言环境）",
    "print one JSON object instead of words": "输出一个 JSON 对象，而不是文字",
    "folder of instrument profiles, looked in first": "仪器型号文件所在目录，优先查找",
    "site file (default: {file})": "测站配置文件（默认 {file}）",
    "check a site file and its profiles without touching anything": "检查配置文件与仪器型号文件，不做任何改动",
    "measure, keep and send until stopped": "采集、保存并上报，直到停止",
    "how the running station is doing": "查看运行中的测站状态",
    "ask one instrument now": "立即查询一台仪器",
    "name of the instrument in the site file": "配置文件中的仪器名称",
    "show every reading of the running station as it comes": "实时显示测站的每一个测值",
    "only this instrument": "只看这台仪器",
    "stop after so many (0: never)": "显示若干组后停止（0 为不停）",
    "where": "位置",
    "do": "处理",
    "{n} faults; nothing was started": "共 {n} 处错误；未启动任何程序",
    "station {code} {name}": "测站 {code} {name}",
    "bus": "总线",
    "instrument": "仪器",
    "series": "测项",
    "every": "周期",
    "source": "来源",
    "value": "测值",
    "age": "时间",
    "quality": "质量",
    "derived": "换算",
    "manual": "人工",
    "worth a look": "请留意",
    "the site file is usable (fingerprint {print})": "配置文件可用（指纹 {print}）",
    "{n} s": "{n} 秒",
    "{n} min": "{n} 分钟",
    "{n} s ago": "{n} 秒前",
    "{n} min ago": "{n} 分钟前",
    "{n} h ago": "{n} 小时前",
    "{n} s of this boot": "开机后 {n} 秒",
    "never": "从未",
    "not read yet": "尚未读取",
    "station {code} is measuring; stop with Ctrl-C": "测站 {code} 正在采集；按 Ctrl-C 停止",
    "stopped in order": "已正常停止",
    "The agent is not running. Start it: systemctl start haihe-edge, or haihe-edge run": (
        "测站程序没有运行。启动：systemctl start haihe-edge，或 haihe-edge run"
    ),
    "the agent is not running, or has stopped": "测站程序没有运行，或已停止",
    "start it: systemctl start haihe-edge, or haihe-edge run": "启动：systemctl start haihe-edge，或 haihe-edge run",
    "connected": "已连接",
    "not connected": "未连接",
    "centre {name}: {words} {since}, {waiting} records wait for a receipt, last receipt {receipt}": (
        "中心 {name}：{words}（{since}），{waiting} 条记录等待回执，最近回执 {receipt}"
    ),
    "journal: {used} of {limit} MiB, line {line}, number {head}; clock: {clock}": (
        "日志：已用 {used} / {limit} MiB，编号段 {line}，编号 {head}；时钟：{clock}"
    ),
    "journal trouble": "日志故障",
    "link trouble": "链路故障",
    "bus trouble": "总线故障",
    "instrument trouble": "仪器故障",
    "all is well": "一切正常",
    "something is wrong, see above": "有异常，见上",
    # acquire: why there is no value
    "no answer": "无应答",
    "no answer but an echo of the request": "无应答，只收到自己发出的请求（回波）",
    "no answer, but unit {other} spoke": "无应答，但地址 {other} 的仪器有应答",
    "no answer, but one to an earlier request": "无应答，收到的是先前请求的应答",
    "a damaged answer of {count} bytes": "应答损坏（{count} 字节）",
    "the instrument refused: exception {code} ({what})": "仪器拒绝：异常码 {code}（{what}）",
    "an answer that does not fit the request": "应答与请求不符",
    "the other side does not speak Modbus TCP": "对方使用的不是 Modbus TCP 协议",
    "port {port}: {why}": "串口 {port}：{why}",
    "{address}: {why}": "{address}：{why}",
    "{address}: no connection, no answer": "{address}：无法连接，对方无应答",
    "no sentence from the receiver": "定位接收机没有输出语句",
}

SITE_FAULTS = {
    "code: {word} is no station code: eight digits or capital letters": (
        "code：{word} 不是站码：应为八位数字或大写字母"
    ),
    "instruments: {n} series, at most {most}": "instruments：共 {n} 个测项，最多 {most} 个",
    "the station measures nothing: add instruments or a bus of kind gnss": (
        "该站没有任何测量：请加 instruments 或 kind 为 gnss 的总线"
    ),
    "name: {word} is already the name of entry {n} of {kind}": "name：{word} 已是 {kind} 第 {n} 项的名称",
    "port: {port} already belongs to bus {bus}": "port：{port} 已属于总线 {bus}",
    "name: {word} is already the name of a gnss bus": "name：{word} 已是一条 gnss 总线的名称",
    "bus: {word} is not one of buses": "bus：buses 中没有 {word}",
    "bus: {word} is a positioning receiver; no instrument can share it": ("bus：{word} 是定位接收机，不能与仪器共用"),
    "unit: {unit} on bus {bus} is already instrument {other}": "unit：总线 {bus} 上的 {unit} 已是仪器 {other}",
    "profile: {word} is not known": "profile：没有型号 {word}",
    "unit: {profile} can have {low} to {high}": "unit：{profile} 只能是 {low} 至 {high}",
    "profile: no point of {profile} names an element; write series": (
        "profile：{profile} 没有点位指明要素；请写 series"
    ),
    "point: {profile} has no {word}": "point：{profile} 没有 {word}",
    "point: {point} names no element; add 'as: …'": "point：{point} 没有指明要素；请加 as:",
    "as: {word} is not in the element register": "as：要素表中没有 {word}",
    "times: 0 would make every value the same": "times：0 会使所有值相同",
    "high: must be more than low": "high：必须大于 low",
    "a water level without datum can be compared with no level; add 'datum: …'": (
        "没有基面的水位无法与任何特征水位比较；请加 datum:"
    ),
    "the series {key} is already written in line {line}; tell them apart with 'at: …'": (
        "测项 {key} 已写在第 {line} 行；请用 at: 加以区分"
    ),
    "write at least one of warning and guarantee": "warning 与 guarantee 至少写一个",
    "guarantee: must be more than warning": "guarantee：必须高于 warning",
    "series: {key} already has levels": "series：{key} 已有特征水位",
    "series: the station has no {word}": "series：该站没有 {word}",
    "datum: {series} is measured from {datums}, not from {datum}": "datum：{series} 的基面是 {datums}，不是 {datum}",
    "no datum": "无基面",
    "series: can mean {keys}; write the whole key": "series：可指 {keys}；请写完整的键",
    "size: at least 1MiB is needed": "size：至少需要 1MiB",
    "point {point} of {profile} is not sure: {why}": "{profile} 的点位 {point} 未经证实：{why}",
    "bus: {bus} is set to {ours}; a new {profile} has {theirs}": "bus：{bus} 设为 {ours}；新的 {profile} 为 {theirs}",
    "{key}: there is no file {file} yet": "{key}：还没有文件 {file}",
    "profile: {word} lies in a file named {file}; they must agree": "profile：{word} 所在文件名为 {file}；两者必须一致",
    "unit: {unit} lies outside units {units}": "unit：{unit} 不在 units {units} 之内",
    "most: less than typical": "most：小于 typical",
    "count: the block ends beyond address 65535": "count：该块超出地址 65535",
    "count: more than registers_most, and whole_blocks forbids parts": (
        "count：超过 registers_most，而 whole_blocks 不允许分段读取"
    ),
    "name: {word} is taken by point {n}": "name：{word} 已被第 {n} 个点位使用",
    "raw: {raw} can never be read as {kind} ({low} to {high})": "raw：{raw} 不可能按 {kind} 读出（{low} 至 {high}）",
}
"""What site files and profiles can have wrong."""
