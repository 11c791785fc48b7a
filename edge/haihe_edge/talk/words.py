"""Sentences of the station's side in Chinese; the English ones stand in the code."""

from .bundle_words import BUNDLE
from .journal_words import JOURNAL

CHINESE = {
    **JOURNAL,
    **BUNDLE,
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
    "what each bus has to do, and which periods it cannot meet": "各总线的工作量，以及无法满足的采集周期",
    "requests": "请求数",
    "bytes": "字节数",
    "on the wire": "线上时间",
    "answers": "应答时间",
    "measuring": "测量时间",
    "of the bus's time": "占用率",
    "~ the length of an example in the profile": "~ 按型号文件中的示例报文长度计",
    "< the longest message that the profile lets pass; its lines leave the length open": (
        "< 报文格式未限定长度，按型号文件允许的最长报文计"
    ),
    "* measured together: of those with one period only the longest counts": "* 并行测量：周期相同的只计最长的一台",
    "- speaks by itself; the share is that of its messages at its own pace": (
        "- 仪器自行输出；占用率按其自身的输出间隔计"
    ),
    "{bus}: the receiver speaks by itself; nothing is asked of it": "{bus}：定位接收机自行输出，无需查询",
    "{instrument}: its profile does not say how long it measures (power, measure_ms); not counted": (
        "{instrument}：型号文件未写明测量时间（power 的 measure_ms），未计入"
    ),
    "{instrument}: its profile does not say how often it speaks (pace); not counted": (
        "{instrument}：型号文件未写明输出间隔（pace），未计入"
    ),
    "together": "合计",
    "every period can be met": "所有采集周期均可满足",
    "not every period can be met, see above": "有采集周期无法满足，见上",
    "{instrument}: every {every} cannot be met on bus {bus}": "{instrument}：总线 {bus} 无法满足周期 {every}",
    "{instrument}: every {every} cannot be met on bus {bus}, one poll takes {takes}": (
        "{instrument}：总线 {bus} 无法满足周期 {every}，采集一次需 {takes}"
    ),
    "{instrument}: every {every} cannot be met, it speaks by itself only every {pace}": (
        "{instrument}：无法满足周期 {every}，仪器自行输出，间隔为 {pace}"
    ),
    "{instrument}: its messages take {takes} on bus {bus}, and it speaks every {pace}": (
        "{instrument}：报文在总线 {bus} 上需 {takes}，而输出间隔为 {pace}"
    ),
    "{instrument}: every {every} is missed now and then, when bus {bus} is busy with others": (
        "{instrument}：总线 {bus} 忙于其他仪器时，周期 {every} 偶尔会错过"
    ),
    "; every {could} could": "；可改为 {could}",
    "; every {could} could, if no other is asked more often": "；若其他仪器也不更频繁，可改为 {could}",
    "; move an instrument to another bus": "；请把部分仪器移到另一条总线",
    "; set a higher baud rate": "；请提高波特率",
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
    "  budget: {used} of {limit} MB until {end}: {words}": "  流量：已用 {used} / {limit} MB，至 {end}：{words}",
    "everything goes": "全部正常发送",
    "backlog waits": "补传暂停",
    "backlog waits, live goes every {n} s": "补传暂停，实时数据每 {n} 秒发送一次",
    "receipts are overdue": "回执超时未到",
    "journal: {used} of {limit} MiB, line {line}, number {head}; clock: {clock}": (
        "日志：已用 {used} / {limit} MiB，编号段 {line}，编号 {head}；时钟：{clock}"
    ),
    "journal trouble": "日志故障",
    "older files could not be read at the start; haihe-edge journal stats names them, the next start tries again": (
        "启动时有旧文件无法读取；haihe-edge journal stats 列出文件名，下次启动时再试"
    ),
    "link trouble": "链路故障",
    "bus trouble": "总线故障",
    "instrument trouble": "仪器故障",
    "memory trouble": "仪器内存补读故障",
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
    "no instrument of this bus answers": "该总线上没有一台仪器应答",
    "no sentence from the receiver": "定位接收机没有输出语句",
    "half an answer: {count} of {whole} bytes": "应答不完整：{whole} 字节只收到 {count} 字节",
    "nothing but damaged bytes, never an answer: check baud rate and parity": (
        "只收到乱码，从未有过正确应答：请检查波特率和校验方式"
    ),
    "two instruments answer at address {unit}": "有两台仪器使用同一地址 {unit}",
    "this is no {profile}: {point} says {said}": "不是 {profile}：{point} 的值为 {said}",
    "this is no {profile}: {point} says {said}; it looks like {closest}": (
        "不是 {profile}：{point} 的值为 {said}；更像是 {closest}"
    ),
    "this is no {profile}: {point} says {said}; no known profile fits it": (
        "不是 {profile}：{point} 的值为 {said}；没有已知型号与之相符"
    ),
    "this is no {profile}: it knows none of its registers": "不是 {profile}：该型号的寄存器它都不认识",
    "this is no {profile}: it knows none of its registers; it looks like {closest}": (
        "不是 {profile}：该型号的寄存器它都不认识；更像是 {closest}"
    ),
    "this is no {profile}: it knows none of its registers; no known profile fits it": (
        "不是 {profile}：该型号的寄存器它都不认识；没有已知型号与之相符"
    ),
    # acquire: an instrument's own memory
    "its clock is ahead: {n} entries lie in the future and were refused": (
        "仪器时钟超前：{n} 条记录的时间在未来，已拒收"
    ),
    "its pointer {point} says {said}": "其指针 {point} 的值为 {said}，无法使用",
    "its pointer {point} does not name its newest entry, or its clock was set back": (
        "其指针 {point} 所指并非最新记录，或者其时钟被往回调过"
    ),
    "its memory moves on faster than it can be read": "仪器内存更新太快，来不及读取",
    "its memory lies in no block that may be read": "仪器内存不在可读的寄存器范围内",
    "memory of {instrument}, {log}: {n} entries read back, {damaged} damaged, {future} in the future": (
        "{instrument} 的内存 {log}：已补读 {n} 条，损坏 {damaged} 条，时间在未来 {future} 条"
    ),
    "being read": "正在读取",
    # write
    "set a point of an instrument, where profile and site file allow it": "设置仪器参数（须型号文件与配置文件均允许）",
    "name of the point in the profile": "型号文件中的参数名称",
    "value in the point's unit": "设定值（参数的单位）",
    "{instrument} {point}: {before} before, {after} now (read back)": (
        "{instrument} {point}：原为 {before}，现为 {after}（已回读核对）"
    ),
    "instead of both; points of one group are written in one request": "代替以上两项；同组参数在一次请求中写入",
    "give either --point and --value, or --set POINT=VALUE": "请用 --point 与 --value，或者用 --set 参数=值",
    "{text} is no POINT=VALUE, for example setpoint=0.25": "{text} 不是“参数=值”，例如 setpoint=0.25",
    "{point} is given twice": "{point} 给了两次",
    # command
    "send an instrument a command, where profile and site file allow it": (
        "向仪器发送命令（须型号文件与配置文件均允许）"
    ),
    "name of the command in the profile (left out: which there are)": "型号文件中的命令名称（不写则列出全部命令）",
    "{instrument}: {command} was sent ({does})": "{instrument}：命令 {command} 已发送（{does}）",
    "confirmed": "仪器已确认",
    "unanswered": "仪器不应答（该命令本来如此）",
    "it is obeyed once the reply has been given": "仪器应答之后生效",
    "it is obeyed only after the instrument has been started again": "仪器重新启动后才生效",
    "the profile {profile} has no commands": "型号文件 {profile} 没有命令",
    "command": "命令",
    "here": "本站",
    "what it does": "作用",
    "enabled": "已启用",
    "not enabled in the site file": "配置文件未启用",
    # digital lines
    "chip {chip}: {why}": "开关量芯片 {chip}：{why}",
    "chip {chip}: there is no line {line}; see gpioinfo": "开关量芯片 {chip}：没有线 {line}；请看 gpioinfo",
    "chip {chip}: the package gpiod is not installed; pip install 'haihe[edge]'": (
        "开关量芯片 {chip}：未安装 gpiod 软件包；请运行 pip install 'haihe[edge]'"
    ),
    "there is no such chip; see gpiodetect": "没有这个芯片；请看 gpiodetect",
    "it is gone, or it is no gpio chip; see gpiodetect": "芯片已断开，或者不是 GPIO 芯片；请看 gpiodetect",
    "no permission; the user must be in the group that /dev/gpiochip* belongs to": (
        "没有权限；用户必须属于 /dev/gpiochip* 所属的组"
    ),
    "a line is used by another program or driver; see gpioinfo": "有一条线被其他程序或驱动占用；请看 gpioinfo",
    # why a port or connection cannot be used: what the kernel says
    "Permission denied": "没有权限",
    "No such file or directory": "没有这个串口",
    "Device or resource busy": "被占用",
    "Resource temporarily unavailable": "被其他程序占用",
    "Input/output error": "读写错误",
    "Connection refused": "对方拒绝连接",
    "Connection reset by peer": "对方中断了连接",
    "Broken pipe": "连接已断开",
    "No route to host": "网络不通",
    "Network is unreachable": "网络不可达",
    "not open": "未打开",
    "the device has gone": "设备已拔出",
    "does not take what is sent": "发不出数据",
    "the other side closed the connection": "对方关闭了连接",
    # what exception codes mean
    "function not known": "不支持该功能码",
    "address not known": "地址无效",
    "value not allowed": "数值不允许",
    "device failure": "设备故障",
    "accepted, still working": "已接受，正在处理",
    "busy": "忙",
    "memory parity error": "存储器校验错误",
    "gateway has no path": "网关无通路",
    "gateway: instrument does not answer": "网关：仪器无应答",
    "a code of the maker's own": "厂家自定义代码",
    # profile: new, check, list, show, test
    "instrument profiles: new, check, list, show, test": "仪器型号文件：新建、检查、列出、查看、验证",
    "every profile that can be named": "列出所有可用的仪器型号",
    "what one model of instrument can say": "查看一种型号的仪器能给出哪些测值",
    "name of a profile, or its file": "型号名称，或型号文件路径",
    "every fault of profiles at once, with file, line and column": "一次列出型号文件的全部错误（文件、行、列）",
    "names or files (default: all)": "型号名称或文件（默认全部）",
    "begin a profile and its golden case": "新建型号文件及其对照样例",
    "small letters, digits, '-' and '_'; also the name of the file": "小写字母、数字、“-”和“_”；也是文件名",
    "how the instrument speaks": "仪器的通信方式",
    "folder for it": "存放目录",
    "folder of golden cases": "对照样例所在目录",
    "prove a profile on its golden cases, or on the instrument itself": "用对照样例或实际仪器验证型号文件",
    "ask the instrument of this site, point by point": "逐点查询该测站的实际仪器",
    "not usable": "不可用",
    "profile": "型号",
    "transport": "通信方式",
    "grade": "验证程度",
    "points": "测点数",
    "maker": "厂家",
    "model": "产品",
    "simulated": "仅依据资料",
    "bench": "台架验证",
    "field": "现场验证",
    "point": "测点",
    "element": "要素",
    "unit": "单位",
    "range": "量程",
    "registers": "寄存器",
    "what is not sure, and notes": "存疑与说明",
    "why, and other byte orders": "原因与其他字节序",
    "sources": "资料来源",
    "memory": "仪器内存",
    "{n} entries at most": "最多 {n} 条",
    "must be set first": "须先设置",
    "notes": "说明",
    "{n} faults in {files} profiles": "{files} 个型号文件中共 {n} 处错误",
    "{files} profiles are usable": "{files} 个型号文件可用",
    "change both, then: haihe-edge profile check {file}": "修改这两个文件，然后运行：haihe-edge profile check {file}",
    "in no case: {points}": "没有样例的测点：{points}",
    "{n} cases fit": "{n} 个样例全部相符",
    "not proved, see above": "未通过验证，见上",
    "every point was answered": "所有测点均有应答",
    "not every point was answered": "并非所有测点都有应答",
    "the instrument has no values": "仪器没有测值",
    "it announces {found} values, its profile says {values}": "仪器报告有 {found} 个测值，型号文件为 {values} 个",
    "the instrument aborts its measurements": "仪器中止了测量",
    "{found} of {values} values came": "只收到 {values} 个测值中的 {found} 个",
    "the instrument says nothing": "仪器没有输出",
    "only damaged messages came": "只收到校验错误的报文",
    "bytes come that the profile does not explain": "收到的内容与型号文件不符",
}

_LATE = {
    "bus {bus} would be busy for {share} of the time": "总线 {bus} 的占用率将达 {share}",
    "one poll takes {takes} on bus {bus}": "在总线 {bus} 上采集一次需 {takes}",
    "a poll of another instrument on bus {bus} takes so long that some due times are missed": (
        "总线 {bus} 上另一台仪器的采集时间过长，偶尔会错过"
    ),
    "the instrument speaks by itself only every {pace}": "仪器自行输出，间隔为 {pace}",
    "its messages take {takes}, and it speaks by itself every {pace}": "报文需 {takes}，而仪器自行输出的间隔为 {pace}",
}
_INSTEAD = {
    "{could} could be met": "可改为 {could}",
    "{could} could be met if no other is asked more often": "若其他仪器也不更频繁，可改为 {could}",
    "move an instrument to another bus": "请把部分仪器移到另一条总线",
    "set a higher baud rate": "请提高波特率",
}

SITE_FAULTS = {
    **{
        f"every: {{every}} cannot be met: {why}; {instead}": f"every：无法满足周期 {{every}}：{because}；{other}"
        for why, because in _LATE.items()
        for instead, other in _INSTEAD.items()
    },
    "pace: must be between 1ms and silent_after": "pace：必须在 1ms 与 silent_after 之间",
    "pace: only an instrument that speaks by itself has one": "pace：只有自行输出的仪器才有",
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
    "memory: {profile} describes none that can be read back": "memory：{profile} 没有可补读的内存",
    "memory: {profile} has no log {word}": "memory：{profile} 没有内存 {word}",
    "memory: {log} tells of {points}, and no series here is made of that": (
        "memory：{log} 记录的是 {points}，这里没有相应的测项"
    ),
    "memory {log} of {profile} is not sure: {why}": "{profile} 的内存 {log} 未经证实：{why}",
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
    "{key}: at least 1MiB is needed": "{key}：至少需要 1MiB",
    "lasts: without a link the journal is full after {days} days, not {wish}; size: {size} would do": (
        "lasts：链路中断时日志 {days} 天即满，达不到 {wish} 天；可改为 size: {size}"
    ),
    "writes_most: about {mib} MiB a day are written to the card, more than {most} MiB; measure less often": (
        "writes_most：每天约写存储卡 {mib} MiB，超过 {most} MiB；请降低采集频率"
    ),
    "writes_most: about {mib} MiB a day are written to the card, more than {most} MiB; window: {window} would do": (
        "writes_most：每天约写存储卡 {mib} MiB，超过 {most} MiB；可改为 window: {window}"
    ),
    "point {point} of {profile} is not sure: {why}": "{profile} 的点位 {point} 未经证实：{why}",
    "bus: {bus} is set to {ours}; a new {profile} has {theirs}": "bus：{bus} 设为 {ours}；新的 {profile} 为 {theirs}",
    "writable: {profile} does not let {word} be written": "writable：{profile} 不允许写 {word}",
    "writable: {profile} does not let {word} be written; it lets no point be written": (
        "writable：{profile} 不允许写 {word}；它没有可写的点位"
    ),
    "group: points of a group are written by function 16, not {function}": (
        "group：同组参数须用功能码 16 写入，不能用 {function}"
    ),
    "group: {point} is written at {at}, not beside {before} ({start}, length {n}); {group} cannot be one request": (
        "group：{point} 写在 {at}，不与 {before}（{start}，长度 {n}）相邻；{group} 无法在一次请求中写入"
    ),
    "group: {group} has {n} registers; one request writes at most {most}": (
        "group：{group} 有 {n} 个寄存器；一次请求最多写 {most} 个"
    ),
    "clears: there is no point {word}": "clears：没有点位 {word}",
    "steps: nothing is sent": "steps：没有发送任何内容",
    "commands: {profile} has no command {word}": "commands：{profile} 没有命令 {word}",
    "commands: {profile} has no command {word}; it has none": "commands：{profile} 没有命令 {word}；它没有任何命令",
    "{key}: there is no file {file} yet": "{key}：还没有文件 {file}",
    "profile: {word} lies in a file named {file}; they must agree": "profile：{word} 所在文件名为 {file}；两者必须一致",
    "unit: {unit} lies outside units {units}": "unit：{unit} 不在 units {units} 之内",
    "most: less than typical": "most：小于 typical",
    "as: {kind} needs 'registers: …'": "as：{kind} 需要写 registers:",
    "count: the block ends beyond address 65535": "count：该块超出地址 65535",
    "count: more than registers_most, and whole_blocks forbids parts": (
        "count：超过 registers_most，而 whole_blocks 不允许分段读取"
    ),
    "name: {word} is taken by point {n}": "name：{word} 已被第 {n} 个点位使用",
    "raw: {raw} can never be read as {kind} ({low} to {high})": "raw：{raw} 不可能按 {kind} 读出（{low} 至 {high}）",
}
"""What site files and profiles can have wrong."""
