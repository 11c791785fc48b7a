"""What is said of bundles and of receipts that are brought by hand, in Chinese; the English stands in the code."""

BUNDLE = {
    "carry records out by hand: write, receipts, show": "人工携带数据：写出数据包、带回回执、查看",
    "write what a centre does not have yet into signed files on a stick": (
        "将中心还没有的记录写成签名的数据包文件，存入 U 盘"
    ),
    "folder to write into: the stick": "写入的目录：U 盘",
    "for this centre only (default: every required one)": "只为这个中心（默认：所有必须给回执的中心）",
    "also what the centre has given a receipt for": "中心已给回执的记录也写入",
    "recorded not before, Beijing time: 2026-08-01 08:00": "记录时间不早于（北京时间，如 2026-08-01 08:00）",
    "recorded before, Beijing time": "记录时间早于（北京时间）",
    "bring a centre's receipts back to the station": "将中心的回执带回测站",
    "file of receipts": "回执文件",
    "whose files these are, how much they hold, and whether that can be believed": "文件属于谁、有多少内容、是否可信",
    "bundle, or file of receipts": "数据包或回执文件",
    # write
    "{dir} lies on the same disk as the journal: copy the files away": "{dir} 与日志在同一磁盘上：请把文件复制到别处",
    "the disk refuses what was measured last: it is not in the bundle": "磁盘拒绝写入最近的测量：它们不在数据包中",
    "centre {name} may refuse what this key signs: {why}": "中心 {name} 可能拒绝此密钥的签名：{why}",
    "for {name}: {n} records, {begin} to {end}, {mb} MB; it has given receipts for {held} more": (
        "给 {name}：{n} 条记录，{begin} 至 {end}，{mb} MB；另有 {held} 条它已给回执"
    ),
    "now unmount the stick; at the centre: haihe-cloud bundle import FILE ...": (
        "请卸载 U 盘；在中心运行：haihe-cloud bundle import 文件 ..."
    ),
    "what it writes comes back here: haihe-edge bundle receipts FILE ...": (
        "它写出的回执请带回本站：haihe-edge bundle receipts 文件 ..."
    ),
    "{n} records cannot be read from the journal's files any more": "{n} 条记录已无法从日志文件中读出",
    "{n} records left the card while this was written; another bundle has what stands for them": (
        "写出期间有 {n} 条记录离开了存储卡；请再写一个数据包，其中有代替它们的记录"
    ),
    "not everything is on the stick, see above": "没有全部写入 U 盘，见上",
    "there is nothing to carry; --all writes what is here all the same": (
        "没有需要携带的记录；--all 仍可写出本站的全部记录"
    ),
    "everything that was asked for is on the stick": "所要的记录都已写入 U 盘",
    # receipts
    "centre {name}: {receipts} receipts; of {here} records here it holds {held}, {new} more than was known": (
        "中心 {name}：{receipts} 个回执；本站 {here} 条记录中它已存 {held} 条，比此前所知多 {new} 条"
    ),
    "{n} records are only here": "{n} 条记录只在本站",
    "not every receipt was accepted, see above": "有回执未被接受，见上",
    "the running agent knows it": "运行中的测站程序已知道",
    "kept for the next start of the agent": "已保存，测站程序下次启动时生效",
    # show
    "  bundle of station {station} for {centre}, made {made} ({grade}), file {part}": (
        "  测站 {station} 给 {centre} 的数据包，{made} 写出（{grade}），第 {part} 个文件"
    ),
    "  bundle of station {station} for {centre}, made {made} ({grade}), file {part}, the last": (
        "  测站 {station} 给 {centre} 的数据包，{made} 写出（{grade}），第 {part} 个文件，也是最后一个"
    ),
    "  {n} records in {batches} batches, {mb} MB": "  {n} 条记录，{batches} 批，{mb} MB",
    "  line {line}: {n} records, {first} to {last}": "  编号段 {line}：{n} 条记录，{first} 至 {last}",
    "  for a new card: {names}": "  供新存储卡恢复：{names}",
    "  receipt of {centre} for station {station}, {when}: {why}": "  {centre} 给测站 {station} 的回执，{when}：{why}",
    "the signature holds": "签名有效",
    "the signature does not hold": "签名无效",
    "its key is not here: not checked": "没有它的公钥：未核对",
    "  the signature holds, and its key is the station's": "  签名有效，密钥属于该测站",
    "  the signature holds; whose key it is nobody here can say": "  签名有效；此处无法确认密钥属于谁",
    # init
    "bundles of the station, or what `haihe-cloud station state CODE --json` printed, - for the standard input;"
    " without it the centres of the site file are asked over the link": (
        "测站的数据包，或 `haihe-cloud station state 站码 --json` 的输出，- 为标准输入；"
        "不写则经链路向配置文件中的各中心查询"
    ),
    "nobody here can say whose key has signed {file}: look at where it comes from": (
        "此处无法确认 {file} 由谁的密钥签名：请核实文件来源"
    ),
}

BUNDLE_FAULTS = {
    "this is the journal of station {whose}, and the site file is that of {station}": (
        "这是测站 {whose} 的日志，而配置文件属于 {station}"
    ),
    "name the site file of that station": "请给出该测站的配置文件",
    "the site file names no centre {name}": "配置文件中没有中心 {name}",
    "the site file names no centre whose receipts are required": "配置文件中没有必须给回执的中心",
    "name one with --centre: {names}": "请用 --centre 指定：{names}",
    "add centres: to it": "请在其中写上 centres:",
    "the station's key cannot be read: {why}": "无法读取测站密钥：{why}",
    "use sudo, or bring the keys that the site file names": "请用 sudo，或放入配置文件所写的密钥",
    "the station's key cannot be used: {why}": "测站密钥无法使用：{why}",
    "a bundle is signed with an elliptic curve key, and this is another kind": (
        "数据包须用椭圆曲线密钥签名，而这是另一种"
    ),
    "certificate and key do not belong together": "证书与密钥不配对",
    "have both made again at the centre: haihe-cloud pki station CODE": (
        "请在中心重新生成两者：haihe-cloud pki station 站码"
    ),
    "the stick cannot be used: {why}": "U 盘无法使用：{why}",
    "there is no such folder": "没有这个目录",
    "mount the stick, and name its folder: lsblk -o NAME,LABEL,SIZE,MOUNTPOINT": (
        "请挂载 U 盘，并写明其目录：lsblk -o NAME,LABEL,SIZE,MOUNTPOINT"
    ),
    "the stick is full": "U 盘已满",
    "the stick was pulled out": "U 盘被拔出",
    "the stick refuses to be written: {why}": "U 盘拒绝写入：{why}",
    "take another stick, and begin again": "请换一个 U 盘重新开始",
    'carry on with another stick: the same command with --from "{time}"': (
        '请换一个 U 盘继续：同一命令加 --from "{time}"'
    ),
    "No space left on device": "磁盘已满",
    "Read-only file system": "文件系统只读",
    "File too large": "文件过大",
    "No such device": "没有这个设备",
    "Is a directory": "这是目录",
    "the file cannot be read: {why}": "无法读取文件：{why}",
    "it has more than {n} bytes": "超过 {n} 字节",
    "it is a pipe or a device, and no file": "这是管道或设备，不是文件",
    "it holds no receipt": "其中没有回执",
    "a receipt in it cannot be read": "其中有回执无法读取",
    "its receipts are for station {station}, and this is {here}": "其中的回执属于测站 {station}，而本站是 {here}",
    "take the file that `haihe-cloud bundle import` wrote for this station": (
        "请使用 `haihe-cloud bundle import` 为本站写出的文件"
    ),
    "a receipt was not accepted: {why}": "回执未被接受：{why}",
    "a receipt has 65 to {most} bytes, this has {n}": "回执应为 65 至 {most} 字节，这个有 {n} 字节",
    "signed, but not readable: {why}": "签名有效，但无法读取：{why}",
    "meant for station {station} by centre {centre}": "是中心 {centre} 给测站 {station} 的",
    "the running agent knows no centre {name}": "运行中的测站程序没有中心 {name}",
    "start it again with the site file of now": "请用现在的配置文件重新启动它",
    "the centre's new epoch cannot be kept: {why}": "无法保存中心的新纪元：{why}",
    "look at the disk: df -h": "请检查磁盘：df -h",
    "look at the disk: df -h; mount": "请检查磁盘：df -h；mount",
    "the receipts cannot be kept: {why}": "无法保存回执：{why}",
    "the agent is there and does not answer": "测站程序在运行，但没有应答",
    "look what it says: journalctl -u haihe-edge; then systemctl restart haihe-edge": (
        "请看其日志：journalctl -u haihe-edge；然后 systemctl restart haihe-edge"
    ),
    "the agent went away before it had heard everything": "测站程序在收完回执之前退出了",
    "bring the same files again: a receipt that was heard twice does no harm": "请再带入同样的文件：重复的回执没有害处",
    "not every receipt in it can be believed": "其中的回执并非都可信",
    "several files, and this is no bundle": "给了多个文件，而这个不是数据包",
    "several bundles, and this one was made without a clock: nobody can say which is the latest": (
        "给了多个数据包，而这个写出时没有时钟：无法判断哪个最新"
    ),
    "name the files of one bundle only": "请只给同一个数据包的文件",
    "name one file, or bundles only": "请只写一个文件，或都写数据包",
    "bundles of several stations: {codes}": "数据包属于多个测站：{codes}",
    "name those of one": "请只写一个测站的数据包",
    "there are no states in it": "其中没有测站状态",
    "name the first file of the bundle: …-1.haihe": "请写明数据包的第一个文件：…-1.haihe",
    "the bundle cannot be used: {why}": "数据包无法使用：{why}",
    "take another bundle of this station; or at the centre: {how}": "请换本站的另一个数据包；或在中心运行：{how}",
    # what the form of a bundle can have wrong
    "item of kind {kind} in the wrong place, at byte {at}": "第 {at} 字节处，类型 {kind} 的条目位置不对",
    "it is cut off: its end is missing": "文件不完整：缺少末尾",
    "it is cut off after {n} bytes": "文件不完整：只有 {n} 字节",
    "version {n} is not known here": "不认识版本 {n}",
    "it cannot be read: {why}": "无法读取：{why}",
    "its certificate holds no elliptic curve key": "其证书不是椭圆曲线密钥",
    "the signature does not fit: it was damaged or changed on the way": "签名不符：途中损坏或被改动",
    "signed, but it contradicts itself": "签名有效，但内容自相矛盾",
    "signed, but its states cannot be read: {why}": "签名有效，但其中的状态无法读取：{why}",
    "signed, but a batch in it cannot be read: {why}": "签名有效，但其中一批无法读取：{why}",
    "signed, but a batch in it names station {station}": "签名有效，但其中一批写的是测站 {station}",
    "its certificate is not of the authority that is trusted here": "其证书不是此处信任的证书机构签发的",
    "a certificate is not valid now, only from {begin} to {end}": "证书现在无效，有效期 {begin} 至 {end}",
    "its certificate is of {whom}, not of station {station}": "其证书属于 {whom}，不是测站 {station}",
    "nobody": "无",
    "it holds more than {n} batches": "其中的批超过 {n} 个",
    "it holds more than {n} receipts": "其中的回执超过 {n} 个",
    "this is {what}, not {which}": "这是{what}，不是{which}",
    "this is not {which}": "这不是{which}",
    "a bundle": "数据包",
    "a file of receipts": "回执文件",
    "item of kind {kind} with {n} bytes, at byte {at}: it was damaged on the way": (
        "第 {at} 字节处有类型 {kind}、{n} 字节的条目：途中损坏"
    ),
}
"""What bundles and receipts can be refused for, and the stick."""
