"""What people read about alarms, in Chinese and English."""

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
