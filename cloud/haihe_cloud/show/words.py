"""The sentences of this package in Chinese."""

CHINESE = {
    "there is no station {code}": "没有测站 {code}",
    "look at the list of stations, or add it with: haihe-cloud station add": (
        "请查看测站列表，或用 haihe-cloud station add 添加"
    ),
    "this is no series key: {key}": "这不是序列名：{key}",
    "take one of the station's series, see /api/v1/stations/{code}": "请从该站的序列中选用，见 /api/v1/stations/{code}",
    "the span ends before it begins": "时段的终点早于起点",
    "the span is longer than {days} days": "时段超过 {days} 天",
    "ask for a shorter span": "请缩短时段",
    "give start before end, both in milliseconds UTC": "请给出先后顺序正确的 start 和 end（UTC 毫秒）",
    "no series of accumulated rain at this station": "该站没有累计雨量序列",
    "rain needs an instrument with a counter; see the station's series": (
        "计算雨量需要有累计计数的仪器，请查看该站的序列"
    ),
    "the series is no accumulated rain: {key}": "该序列不是累计雨量：{key}",
    "more than {most} buckets": "时段数超过 {most}",
    "ask for a shorter span or wider buckets": "请缩短时段或加大步长",
    "an answer must be sent as application/json": "应答必须以 application/json 发送",
    "send the header Content-Type: application/json": "请发送请求头 Content-Type: application/json",
    "the request comes from another site": "请求来自其他网站",
    "open this centre's own page and answer there": "请在本中心自己的页面上应答",
    "writing needs a token": "写操作需要口令",
    "the token is wrong": "口令不正确",
    "send Authorization: Bearer with the centre's write token": "请发送 Authorization: Bearer 和本中心的写口令",
    "too many pages listen already ({most})": "实时连接的页面已满（{most}）",
    "close pages that nobody looks at, then reload": "请关闭无人查看的页面后刷新",
    "the request is not right: {what}": "请求有误：{what}",
    "see /openapi.json for what is allowed": "允许的取值见 /openapi.json",
    "there is nothing at this address": "此地址没有内容",
    "begin at / for the page or at /openapi.json for the API": "页面在 /，接口说明在 /openapi.json",
    "the series store cannot be reached now": "时序库暂时无法访问",
    "the database cannot be reached now": "数据库暂时无法访问",
    "try again; what stations send is kept until it is back": "请稍后重试；恢复之前测站数据不会丢失",
    "the centre could not do this": "中心未能完成此操作",
    "look into the centre's log at {time}, then report it": "请查看中心日志（{time}）并报告",
    "this cannot be done that way here: {what}": "不能这样访问：{what}",
}
