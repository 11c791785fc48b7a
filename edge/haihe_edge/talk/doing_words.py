"""Why a write or a command was refused, in Chinese; the English sentences stand where they are raised."""

DOING_FAULTS = {
    "no instrument {word}": "没有仪器 {word}",
    "name one of {words}": "可用：{words}",
    "one of: {words}": "可用：{words}",
    "{profile} has no point {word} to write": "{profile} 没有可写的参数 {word}",
    "writing {point} is not enabled": "本站未允许写 {point}",
    "if that is wanted at this station: add `{yaml}` to the instrument in the site file": (
        "如本站确需如此：请在配置文件中该仪器下加 `{yaml}`"
    ),
    "{value} is out of range": "{value} 超出范围",
    "write a value from {low} to {high}": "应为 {low} 至 {high}",
    "{value} cannot be written there": "不能写 {value}",
    "the instrument can only be set in steps of {step}": "仪器只能按 {step} 的步长设置",
    "write {value}": "请写 {value}",
    "it stands at {held} and may change by at most {most} a minute": "现为 {held}，每分钟最多改变 {most}",
    "{point} stands at {held} and may change by at most {most} a minute": "{point} 现为 {held}，每分钟最多改变 {most}",
    "nothing was written; {left} is left of this minute": "未写入；本分钟还可改变 {left}",
    "nothing was written; read it first": "未写入；请先读取该仪器",
    "nothing was written; mend that first": "未写入；请先处理此问题",
    "the present value cannot be read: {why}": "无法读取当前值：{why}",
    "{points} cannot be written in one request: they are no group in the profile": (
        "{points} 不能在一次请求中写入：型号文件中它们不是一组"
    ),
    "write them one by one": "请逐个写入",
    "{point} of the same group holds {held}: {why}": "同组的 {point} 现为 {held}：{why}",
    "nothing was written; name {point} too: {do}": "未写入；请同时给出 {point}：{do}",
    "the instrument holds {held} and not {value}": "仪器现为 {held}，而不是 {value}",
    "the instrument holds {held} and not {value} ({why})": "仪器现为 {held}，而不是 {value}（{why}）",
    "see whether it is locked or switched to local operation": "请查看仪器是否锁定或处于就地操作",
    "written, but the instrument does not say what it holds now: {why}": "已写入，但仪器未应答现在的值：{why}",
    "look at the instrument before writing again": "再次写入前请先查看仪器",
    "the value is set, but saving it failed: {why}": "值已设置，但保存失败：{why}",
    "it is lost when the supply is switched off; write it again": "断电后会丢失；请重新写入",
    "it does not say who it is: {why}": "仪器未说明自己的型号：{why}",
    "{profile} has no command {word}": "{profile} 没有命令 {word}",
    "its profile declares none": "其型号文件没有声明任何命令",
    "the command {name} is not enabled": "本站未启用命令 {name}",
    "step {n} of {all} was refused: {why}": "第 {n} 步（共 {all} 步）被拒绝：{why}",
    "step {n} of {all} was not sent: {why}": "第 {n} 步（共 {all} 步）未发送：{why}",
    "step {n} of {all} may have been obeyed or not: {why}": "第 {n} 步（共 {all} 步）是否执行不明：{why}",
    "nothing was done": "什么也没有执行",
    "nothing was done; not sent: {rest}": "什么也没有执行；未发送：{rest}",
    "sent: {steps}; not sent: {rest}; look at the instrument before sending it again": (
        "已发送：{steps}；未发送：{rest}；再次发送前请先查看仪器"
    ),
    "sent: {steps}; look at the instrument before sending it again": "已发送：{steps}；再次发送前请先查看仪器",
    "not sent: {rest}; look at the instrument before sending it again": "未发送：{rest}；再次发送前请先查看仪器",
    "look at the instrument before sending it again": "再次发送前请先查看仪器",
    "the agent was asked and has not answered; it may have been done or not ({why})": (
        "已请求测站程序，但未得到答复；是否已执行不明（{why}）"
    ),
    "look at the instrument and at haihe-edge status before asking again": (
        "再次请求前请先查看仪器和 haihe-edge status"
    ),
    "the agent stopped while this was being done": "执行过程中测站程序停止",
    "look at the instrument: it may have been done or not": "请查看仪器：可能已执行，也可能没有",
    "the agent may not be asked by this user": "当前用户无权查询测站程序",
    "use sudo, or join the agent's group: usermod -aG haihe NAME, then log in again": (
        "请用 sudo，或加入测站程序的用户组：usermod -aG haihe 用户名，然后重新登录"
    ),
    "the bus cannot be used now": "总线现在不可用",
    "haihe-edge status says why": "原因见 haihe-edge status",
    "too much is waiting for this bus already": "该总线上等待的事情过多",
    "try again in a moment": "请稍后再试",
}
"""What ``haihe-edge write`` and ``command`` can be refused for."""
