# ruff: noqa: E501 - a table reads best with one sentence a line
"""The sentences of the centre's commands in Chinese, and how faults raised deeper down are retold in it."""

from haihe_contract.language import Words
from haihe_contract.retelling import DOCUMENT_FAULTS, Retelling

CHINESE = {
    # words of tables
    "station": "测站",
    "name": "名称",
    "river": "河流",
    "silent after": "失联时限",
    "last heard": "最近来数",
    "never": "从未",
    "unknown station": "未登记测站",
    "messages": "报文数",
    "line": "编号段",
    "records": "记录数",
    "held": "已入库",
    "awaited": "待收",
    "gaps": "缺口",
    "refused": "拒收",
    "lost": "丢失",
    "alarm": "告警",
    "rule": "规则",
    "level": "阈值",
    "peak": "极值",
    "started": "开始",
    "ended": "结束",
    "answered by": "应答人",
    "on": "持续中",
    "since": "时间",
    "time unknown": "时间不明",
    "what a new card would have to be told": "换新存储卡所需的状态",
    "{count} states; --json prints what haihe-edge init --restore reads": "共 {count} 项状态;--json 输出供 haihe-edge init --restore 使用",
    "number": "编号",
    "times": "次数",
    "size": "大小",
    "last": "最近",
    "reason": "原因",
    "write Grafana's dashboards and provisioning": "生成 Grafana 面板与自动配置文件",
    "{n} files written": "已写入 {n} 个文件",
    "the files cannot be written: {error}": "文件无法写入：{error}",
    "check its owner": "请检查其属主",
    "where": "位置",
    "do": "处理",
    # verdicts
    "{known} stations registered, {unknown} unknown ones have spoken": "已登记 {known} 站;另有 {unknown} 个未登记测站发来报文",
    "station {code} is registered; what it sends next is taken": "测站 {code} 已登记,其后来报即予接收",
    "station {code} is removed; what it sent stays, what it sends is not taken": "测站 {code} 已移除:已收数据保留,新报文不再接收",
    "{count} stations are registered": "已登记 {count} 站",
    "{count} records are neither here, nor at the station, nor explained": "{count} 条记录既未入库、站上也已没有、且无说明",
    "{count} records are still at the stations; nothing is lost": "{count} 条记录仍在站上待传;无丢失",
    "everything the stations have recorded is here or explained": "各站所记均已入库或有说明",
    "epoch {epoch}: older receipts are void, stations send again what they still have": "新纪元 {epoch}:旧回执作废,各站重发仍留存的记录",
    "{count} alarms are on and not answered": "{count} 个告警持续中且无人应答",
    "alarm {id} is answered by {who}": "告警 {id} 已由 {who} 应答",
    "{count} messages in quarantine, {dropped} dropped because it was full": "隔离区有 {count} 条报文;因满已丢弃 {dropped} 条",
    "{size} bytes; --json gives all of them": "共 {size} 字节;--json 给出全部",
    "valid for {days} days": "有效期还剩 {days} 天",
    "alarm rules": "告警规则",
    "stations in the file": "文件中的测站",
    "a certificate ends within 30 days": "有证书将在 30 天内到期",
    "the settings can be used": "配置可用",
    "{count} faults; nothing was started": "共 {count} 处错误;未启动任何程序",
    "made  {path}": "已生成  {path}",
    "made  {certificate} and {key}": "已生成  {certificate} 和 {key}",
    "made  {path}: carry this directory to station {code}": "已生成  {path}:将此目录带到测站 {code}",
    "next  mosquitto -c {path}": "下一步  mosquitto -c {path}",
    "      haihe-cloud station add 31005650 --config {path}": "        haihe-cloud station add 31005650 --config {path}",
    "      haihe-cloud pki station 31005650 --pki {path}": "        haihe-cloud pki station 31005650 --pki {path}",
    "      haihe-cloud run --config {path}": "        haihe-cloud run --config {path}",
    # help
    "The centre of Haihe.": "海河系统的中心站程序。",
    "language": "语言",
    "print one JSON object": "输出一个 JSON 对象",
    "settings file": "配置文件",
    "make keys, broker configuration and settings of a single box": "为单机生成密钥、消息服务器配置与中心配置",
    "name of this centre": "本中心名称",
    "name or address under which stations reach the broker": "测站访问消息服务器所用的域名或地址",
    "TLS port of the broker": "消息服务器的 TLS 端口",
    "address of the page": "网页监听地址",
    "port of the page": "网页端口",
    "validity of certificates in days": "证书有效天数",
    "run the centre": "运行中心",
    "check settings, keys, rules; start nothing": "检查配置、密钥与规则,不启动",
    "stations that may speak": "允许来报的测站",
    "known and unknown stations": "已登记与未登记的测站",
    "register a station, or change it": "登记或修改测站",
    "take nothing more from a station": "不再接收某站",
    "register the stations of a YAML file": "从 YAML 文件登记测站",
    "what is held, awaited and lost": "已入库、待收与丢失情况",
    "lines of all stations or of one": "全部或某一测站的编号段",
    "after a restore from a backup: void older receipts": "从备份恢复之后:使旧回执作废",
    "alarms": "告警",
    "alarms that are on": "持续中的告警",
    "ended ones too": "包括已结束的",
    "write down who has answered": "登记应答(叫应)",
    "messages that were not taken": "未被接收的报文",
    "directory of the keys": "密钥目录",
    "certificates and keys": "证书与密钥",
    "make the certificate authority": "建立证书颁发机构",
    "issue the broker's certificate": "签发消息服务器证书",
    "write mosquitto.conf and acl there too": "并在该目录写出 mosquitto.conf 与 acl",
    "issue this centre's certificate": "签发本中心证书",
    "issue a station's certificate": "签发测站证书",
    "put all that the station needs there": "将测站所需文件一并放入该目录",
    "make the key that signs receipts": "生成回执签名密钥",
    # faults
    "station {code} is not registered": "测站 {code} 未登记",
    "{code} is no station code": "{code} 不是测站编码",
    "write eight digits or capital letters, for example 31005650": "应为 8 位数字或大写字母,例如 31005650",
    "latitude {value} is outside ±90°": "纬度 {value} 超出 ±90°",
    "longitude {value} is outside ±180°": "经度 {value} 超出 ±180°",
    "write decimal degrees": "请用十进制度",
    "silent_after_s must be at least 1 s": "silent_after_s 至少为 1 秒",
    "leave it out for 600 s": "省略即为 600 秒",
    "the guarantee level {guarantee} m is below the warning level {warning} m": "保证水位 {guarantee} m 低于警戒水位 {warning} m",
    "exchange them": "请对调",
    "{text} names no levels: {why}": "{text} 不是阈值:{why}",
    "station {code} has told no state": "测站 {code} 尚未上报状态",
    "haihe-cloud station list shows which stations have spoken": "haihe-cloud station list 可查看来过报文的测站",
    "number {number} is not in quarantine": "隔离区没有编号 {number}",
    "there is a centre already": "此处已有一个中心",
    "choose another directory": "请另选目录",
    "there is a certificate authority already": "已有证书颁发机构",
    "keep it, or choose another directory": "请保留,或另选目录",
    "there is a receipt key already": "已有回执密钥",
    "keep it: stations know it": "请保留:各站认得它",
    "the broker needs at least one host": "消息服务器至少要有一个域名或地址",
    "{host} is neither a host name nor an address": "{host} 既不是域名也不是地址",
    "{name} is no name of a centre": "{name} 不能作中心名称",
    "small letters, digits and hyphens": "请用小写字母、数字和连字符",
    "a certificate must be valid for at least a day": "证书有效期至少一天",
    "the certificate authority cannot be read: {why}": "无法读取证书颁发机构:{why}",
    "haihe-cloud pki init makes one": "用 haihe-cloud pki init 建立",
    "this is no key of a certificate authority": "这不是证书颁发机构的密钥",
    "the receipt key cannot be read: {why}": "无法读取回执密钥:{why}",
    "haihe-cloud pki receipt-key makes one": "用 haihe-cloud pki receipt-key 生成",
    "this is no Ed25519 key in PEM form": "这不是 PEM 格式的 Ed25519 密钥",
    "a certificate cannot be read: {why}": "无法读取证书:{why}",
    "this is no certificate in PEM form": "这不是 PEM 格式的证书",
    "a key is missing": "缺少密钥",
    "a file of the key directory is missing": "密钥目录缺少文件",
    "cannot be written: {why}": "无法写入:{why}",
    "check owner and free space": "检查属主与剩余空间",
    "check owner and space": "检查属主与剩余空间",
    "the data directory cannot be used: {why}": "数据目录不可用:{why}",
    "the database cannot be used: {why}": "数据库不可用:{why}",
    "check free space and owner of the data directory": "检查数据目录的剩余空间与属主",
    "the page would listen on {host}, where others can reach it, and anybody could answer alarms": "网页将监听 {host},外部可达,任何人都能应答告警",
    "name a file with a token of at least 16 characters as http.write_token_file, or listen on 127.0.0.1": "在 http.write_token_file 指定至少 16 个字符的令牌文件,或改为监听 127.0.0.1",
    "the page cannot listen on {host} port {port}: {why}": "网页无法监听 {host} 端口 {port}:{why}",
    "{filter} shows who has it; or choose another port": "用 {filter} 查看占用者;或换一个端口",
    "a file of the broker connection is missing": "缺少连接消息服务器所需的文件",
    "haihe-cloud init DIR makes all of them; haihe-cloud pki centre makes this one again": "haihe-cloud init DIR 一次全部生成;haihe-cloud pki centre 重新签发",
    "the keys of the broker connection cannot be used: {why}": "连接消息服务器的密钥不可用:{why}",
    "no alarm rules are installed": "没有安装告警规则",
    "name a rules file in the settings: rules: rules.yaml": "在配置中指定规则文件:rules: rules.yaml",
    "{what} cannot be read: {why}": "无法读取{what}:{why}",
    "{what} is shorter than {count} characters": "{what}不足 {count} 个字符",
    "write the token into it": "请将令牌写入该文件",
    "openssl rand -hex 16 writes a good one": "可用 openssl rand -hex 16 生成",
    "the write token": "写入令牌",
    "the token of the store": "时序库令牌",
}  # fmt: skip
"""Every sentence of this package's commands."""


RULE_FAULTS = {
    "rules: {n} of them, at most {most} are allowed": "rules：共 {n} 条，最多允许 {most} 条",
    "name: {word} is taken already": "name：{word} 已被使用",
    "name: {word} must be small letters, digits, - and _, beginning with a letter": (
        "name：{word} 只能用小写字母、数字、- 和 _，并以字母开头"
    ),
    "stations: {word} is not eight digits or capital letters": "stations：{word} 不是八位数字或大写字母",
    "raise_at: {word} is neither a number nor one of {words}": "raise_at：{word} 既不是数，也不是 {words} 之一",
    "below: warning and guarantee levels are passed upwards; give a number instead": (
        "below：警戒与保证水位是向上超过的；请改写为一个数"
    ),
    "datum: the registry names the datum of a station's own levels; leave it out here": (
        "datum：测站自己的特征水位基面由名录给出；此处请不要写"
    ),
    "raise_at: must be a finite number": "raise_at：必须是有限的数",
    "raise_at: {n} can never be measured ({low} to {high})": "raise_at：{n} 不可能测到（{low} 至 {high}）",
    'raise_at: a level without a datum means nothing; add "datum:", for example dagu': (
        "raise_at：没有基面的水位没有意义；请加 datum:，例如 dagu"
    ),
    "{name}: give one of {words} and clear_margin, so that it cannot flap": (
        "{name}：请给出 {words} 与 clear_margin 之一，以免反复告警"
    ),
    "clear_margin: must be more than 0": "clear_margin：必须大于 0",
    "code: {code} is written twice": "code：{code} 写了两次",
}
"""What rule and station files can have wrong."""

_retelling = Retelling(CHINESE, RULE_FAULTS, DOCUMENT_FAULTS)


class Sentences(Words):
    """The words of the commands; faults that were raised as English sentences are retold from the same tables."""

    def __init__(self, language: str) -> None:
        super().__init__(CHINESE, language)

    def retell(self, text: str) -> str:
        """The text in the chosen language, if its sentence is known; else as it is."""
        return _retelling(text) if self.language == "zh" else text
