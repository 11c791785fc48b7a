"""What people read about alarms, in Chinese and English."""

LEVEL_NAMES = {
    "warning": ("警戒水位", "warning level"),
    "guarantee": ("保证水位", "guarantee level"),
    "high": ("上限", "upper limit"),
    "low": ("下限", "lower limit"),
    "silent": ("失联", "silent"),
}
"""Chinese and English names of the kinds of level."""

SEVERITY_NAMES = {
    "blue": ("蓝色", "blue"),
    "yellow": ("黄色", "yellow"),
    "orange": ("橙色", "orange"),
    "red": ("红色", "red"),
}
"""Chinese and English names of the severities."""

AMENDMENTS = {
    "": ("", ""),
    "started": ("补到数据:起始时间已更正", "later data moved its start"),
    "ended_late": ("补到数据:已于所示时间结束", "later data show that it ended at the time given"),
    "reopened": ("补到数据:仍在持续", "later data show that it went on"),
    "merged": ("补到数据:与更早的告警属同一过程", "later data show that it is part of an earlier alarm"),
    "gone": ("补到数据:未达到阈值", "later data show that the level was not reached for long enough"),
    "restored": ("补到数据:恢复为独立告警", "later data show that it was an alarm of its own after all"),
    "rule_changed": ("阈值已修改,按新阈值重新判断", "the level was changed; judged anew by the new one"),
    "rule_removed": ("规则已取消", "its rule was taken away"),
    "station_removed": ("测站已从名录移除", "the station was taken out of the registry"),
}
"""Chinese and English sentences for :attr:`haihe_cloud.alarm.book.Alarm.amended`."""

CHINESE = {
    "level {rule} is given in datum {level}, series {series} is measured in {own}: not judged": (
        "{rule} 的水位值采用 {level} 基面,而序列 {series} 采用 {own} 基面:未作判断"
    ),
    "the registry gives a level for {series}, which is no series key": "名录中的水位序列 {series} 不是有效的序列名",
    "the registry gives a level for {series}, but the station sends no such series: not judged": (
        "名录中有 {series} 的特征水位,但测站没有发送该序列:未作判断"
    ),
    "none": "无",
}
"""Chinese for the sentences about rules that cannot be applied."""
