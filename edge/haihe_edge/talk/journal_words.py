"""What is said of the journal, the card, time and state, in Chinese; the English sentences stand in the code."""

JOURNAL = {
    # check, status
    "without a link the journal lasts {days} days; at most {card} MiB a day are written to the card": (
        "链路中断时日志可存 {days} 天；每天写存储卡最多 {card} MiB"
    ),
    "{n} MB a day are written to the card": "每天写存储卡 {n} MB",
    # journal
    "what the journal holds: stats, show, export": "日志内容：统计、查看、导出",
    "folder of a journal, instead of the site file's": "日志所在目录，代替配置文件中的目录",
    "lines, bytes, receipts, what is missing and why, how long it lasts": (
        "编号段、字节数、回执、缺少的记录及原因、还能存多久"
    ),
    "records as people read them, the newest of those asked for": "以文字查看记录，只列最新的若干条",
    "readings as CSV, or as lines of JSON with --json": "将测值导出为 CSV；加 --json 则每行一个 JSON 对象",
    "only records of this kind": "只看这一类记录",
    "at most so many records (default 50)": "最多显示多少条（默认 50）",
    "file to write (default: the terminal)": "输出文件（默认输出到终端）",
    "only this line (its first digits are enough)": "只看这个编号段（写开头几位即可）",
    "not before, Beijing time: 2026-08-01 08:00": "不早于（北京时间，如 2026-08-01 08:00）",
    "before, Beijing time": "早于（北京时间）",
    "only this element, element.point or whole key": "只看此要素、要素.测点，或完整的键",
    "{n} older lines; --json gives all": "另有 {n} 个较早的编号段；--json 列出全部",
    "held by {name}": "{name} 已存",
    "line": "编号段",
    "opened": "启动",
    "records": "记录数",
    "last number": "末编号",
    "not here any more": "已不在本站",
    "{records} records in {files} files, {used} MiB, {oldest} to {newest}": (
        "{records} 条记录，{files} 个文件，{used} MiB，{oldest} 至 {newest}"
    ),
    "as measured": "实测",
    "by the site file": "按配置文件计算",
    "{n} MiB a day ({source})": "每天 {n} MiB（{source}）",
    "; without a link it lasts {days} days": "；链路中断时可存 {days} 天",
    "everything recorded is here, at the centres, or gave way as planned": (
        "所有记录或在本站，或已存中心，或因空间不足按规则让出"
    ),
    "something was damaged or is missing, see above": "有损坏或缺失，见上",
    "time unknown": "时间不明",
    "--last can be 1 to {most}; haihe-edge journal export gives all": (
        "--last 应为 1 至 {most}；全部导出请用 haihe-edge journal export"
    ),
    "there is no such record here": "没有符合条件的记录",
    "there are older ones; -n or --from and --to choose others": "还有更早的记录；可用 -n 或 --from、--to 选择",
    "{n} readings": "{n} 个测值",
    "file {n} of {all}": "第 {n} 个文件，共 {all} 个",
    "it was set aside": "已损坏，被搁置",
    "it is empty": "空文件",
    "the header does not verify": "文件头校验错误",
    "neither its header nor any commit in it verifies": "文件头和内容均校验错误",
    # why numbers are not here
    "receipted": "中心已存",
    "unnamed": "原因不明",
    "thinned": "抽稀",
    "no_space": "空间不足",
    "unreadable": "无法读出",
    "memory_full": "内存已满",
    # kinds of records
    "dictionary": "测项表",
    "duty": "采集计划",
    "readings": "测值",
    "event": "事件",
    "gap": "缺号",
    "summary": "摘要",
    "time_fix": "校时",
    "state": "状态",
    "unread": "无法识别",
    "{n} bytes that this version cannot read": "{n} 字节，本版本程序无法识别",
    "boot {boot}, haihe {version}, site {site}": "开机 {boot}，haihe {version}，配置 {site}",
    "boot {boot}": "开机 {boot}",
    "began at {when}": "开机时刻 {when}",
    "line before {line} up to {last}": "上一编号段 {line} 至 {last}",
    "closed in order": "正常关闭",
    "not closed in order": "未正常关闭",
    "{n} series": "{n} 个测项",
    # init
    "begin on a new card: bring back site file, counters and budgets of a station from what its centre knows": (
        "换新存储卡：用中心保存的状态恢复测站的配置文件、计数器和链路流量"
    ),
    "site file to write (default: {file})": "要写入的配置文件（默认 {file}）",
    "how long the centres have to answer (default {n})": "等待中心答复的秒数（默认 {n}）",
    "asking {names}, for up to {n} s": "正在查询 {names}，最多等 {n} 秒",
    "--wait can be up to {most} seconds": "--wait 最大为 {most} 秒",
    "centre {name}: {count} states, the latest of {when}": "中心 {name}：{count} 项状态，最新的为 {when}",
    "centre {name}: {count} more had no room in its answer; a file has all: {how}": (
        "中心 {name}：另有 {count} 项在答复中放不下；文件中有全部：{how}"
    ),
    "overwrite even what is newer here": "即使本站的更新也覆盖",
    "do not ask": "不询问",
    "nothing was written; --yes writes without asking": "未写入；加 --yes 则不询问直接写入",
    "restored; now the keys, then: haihe-edge check {file}": "已恢复；请放入密钥，然后运行：haihe-edge check {file}",
    "restored; now: haihe-edge check {file}": "已恢复；下一步：haihe-edge check {file}",
    "writes {file} (fingerprint {print})": "将写入 {file}（指纹 {print}）",
    "overwrites {file} (fingerprint {print})": "将覆盖 {file}（指纹 {print}）",
    "counter {name}: {value} at {when}": "计数器 {name}：{value}（{when}）",
    "counter {name}: what is here is newer, and stays": "计数器 {name}：本站的更新，保留不变",
    "rain gauge {name}: {value} mm in all": "雨量计 {name}：累计 {value} 毫米",
    "rain gauge {name}: what is here is newer, and stays": "雨量计 {name}：本站的更新，保留不变",
    "link to {name}: {used} MB used since {when}": "到 {name} 的链路：自 {when} 起已用 {used} MB",
    "link to {name}: what is here is newer, and stays": "到 {name} 的链路：本站的更新，保留不变",
    "Write this? [y/N] ": "写入吗？[y/N] ",
}

JOURNAL_FAULTS = {
    "{word} is no moment; write for example '2026-08-01 08:00'": "{word} 不是时刻；例如 '2026-08-01 08:00'",
    "the journal cannot be read: {why}": "无法读取日志：{why}",
    "look whether it is there and may be read: ls -ld {directory}": "请查看目录是否存在、是否可读：ls -ld {directory}",
    "the journal cannot be used: {why}": "日志无法使用：{why}",
    "check that the disk is mounted and writable: {how}": "请检查磁盘是否已挂载、可写：{how}",
    "the control socket cannot be made: {why}": "无法建立控制套接字：{why}",
    "give a writable path under `control:` in the site file (a socket's path has at most 107 letters)": (
        "请在配置文件的 `control:` 写一个可写的路径（套接字路径最多 107 个字符）"
    ),
    "there is no journal in this folder": "此目录中没有日志",
    "name the folder in which its files lie: find / -name '*.journal'": (
        "请给出日志文件所在的目录：find / -name '*.journal'"
    ),
    "the output cannot be written: {why}": "无法写出结果：{why}",
    "send it to a disk with room: df -h": "请写到有空间的磁盘：df -h",
    "the readings cannot be written: {why}": "无法写入测值：{why}",
    "name a file that does not exist yet, on a disk with room": "请给出尚不存在的文件，且磁盘有空间",
    "the state of the station cannot be read: {why}": "无法读取测站状态：{why}",
    "this is the state of station {station}, and the site file here is that of {here}": (
        "这是测站 {station} 的状态，而这里的配置文件属于测站 {here}"
    ),
    "name the file of this one; --force makes it the other one": "请给出本站的文件；--force 可改成另一个测站",
    "name the file of this one": "请给出本站的文件",
    "write the site file before the option: haihe-edge init SITE.yaml --restore": (
        "配置文件应写在选项之前：haihe-edge init SITE.yaml --restore"
    ),
    "there is no site file, and so no centre to ask": "没有配置文件，也就不知道向哪个中心查询",
    "copy the one that this station was installed with; or bring the state as a file: haihe-edge init --restore FILE": (
        "请复制本站安装时的配置文件；或者用文件带来状态：haihe-edge init --restore FILE"
    ),
    "the site file names no centre that could be asked": "配置文件中没有可查询的中心",
    "add centres: to it; or bring the state as a file: haihe-edge init --restore FILE": (
        "请在其中写上 centres:；或者用文件带来状态：haihe-edge init --restore FILE"
    ),
    "centre {name} cannot be reached: {why}": "无法连接中心 {name}：{why}",
    "centre {name} cannot be reached: {address}: {why}": "无法连接中心 {name}：{address}：{why}",
    "centre {name} cannot be reached: {address}: the broker's certificate is not trusted: {why}": (
        "无法连接中心 {name}：{address}：不信任消息服务器的证书：{why}"
    ),
    "centre {name} cannot be reached: no answer from {address} within {n} s": (
        "无法连接中心 {name}：{address} 在 {n} 秒内没有应答"
    ),
    "centre {name} cannot be reached: the certificates cannot be used: {why} ({file})": (
        "无法连接中心 {name}：证书无法使用：{why}（{file}）"
    ),
    "centre {name} cannot be reached: the broker refused the connection: {why}": (
        "无法连接中心 {name}：消息服务器拒绝连接：{why}"
    ),
    "centre {name} cannot be reached: the connection ended: {why}": "无法连接中心 {name}：连接中断：{why}",
    "centre {name} cannot be reached: the connection ended: the broker ended it before it answered; is the station's"
    " certificate from the broker's authority, and still valid?": (
        "无法连接中心 {name}：消息服务器未应答就断开了连接；测站证书是否由该服务器的证书机构签发、是否仍然有效？"
    ),
    "look at the link, the clock of this computer and the keys that the site file names;"
    " or bring the state as a file: haihe-edge init --restore FILE": (
        "请检查链路、本机时钟和配置文件所写的密钥；或者用文件带来状态：haihe-edge init --restore FILE"
    ),
    "the broker of centre {name} does not let the station ask: {why}": (
        "中心 {name} 的消息服务器不允许本站查询：{why}"
    ),
    "have its access rules written again: haihe-cloud pki broker;"
    " or bring the state as a file: haihe-edge init --restore FILE": (
        "请让中心重新生成访问规则：haihe-cloud pki broker；或者用文件带来状态：haihe-edge init --restore FILE"
    ),
    "the answer of centre {name} is not believed: {why}": "中心 {name} 的答复不可信：{why}",
    "the signature is not of the centre's receipt key": "签名与该中心的回执公钥不符",
    "it is older than those that are kept here": "比本站已保存的回执更旧",
    "it answers another question": "答复的不是本次查询",
    "copy the file that `haihe-cloud pki receipt-key` made at the centre": (
        "请复制中心用 `haihe-cloud pki receipt-key` 生成的文件"
    ),
    "centre {name} has not answered within {n} s": "中心 {name} 在 {n} 秒内没有答复",
    "ask there whether it runs and is as new as this program; a slow link needs a longer --wait;"
    " or bring the state as a file: haihe-edge init --restore FILE": (
        "请询问中心程序是否在运行、版本是否不低于本程序；链路慢时请加大 --wait；"
        "或者用文件带来状态：haihe-edge init --restore FILE"
    ),
    "centre {name} does not know station {station}": "中心 {name} 没有登记测站 {station}",
    "have it registered there, then try again: haihe-cloud station add {station}": (
        "请在中心登记后再试：haihe-cloud station add {station}"
    ),
    "centre {name} holds no state of station {station}": "中心 {name} 没有测站 {station} 的状态",
    "the station has never told it one: start it with the site file that is here": (
        "测站从未向它上报过状态：请直接用这里的配置文件启动"
    ),
    "the centre's receipt key cannot be read: {why}": "无法读取中心的回执公钥：{why}",
    "it holds no site file": "其中没有配置文件",
    "write the site file anew: docs/start": "请重新编写配置文件：见 docs/start",
    "its site file cannot be used: {why}": "其中的配置文件无法使用：{why}",
    "it is damaged": "已损坏",
    "the site file is too long for a record": "配置文件过长，未能存入记录",
    "its site file is that of station {station}": "其中的配置文件属于测站 {station}",
    "the site file here is newer ({here}) than the one to restore ({there})": (
        "本站的配置文件（{here}）比要恢复的（{there}）更新"
    ),
    "compare them; --force overwrites it": "请比较两者；--force 可覆盖",
    "the site cannot be written: {why}": "无法写入：{why}",
    "make room, or give the right to write there": "请腾出空间，或给予写入权限",
    "another agent is already running for this station": "本站的测站程序正在运行",
    "stop it first: systemctl stop haihe-edge": "请先停止：systemctl stop haihe-edge",
    "File exists": "文件已存在",
    "No such file or directory": "没有这个文件或目录",
    "Permission denied": "没有权限",
    "Not a directory": "不是目录",
}
"""What a look into the journal can fail for."""
