"""Faults that were raised as finished English sentences, told again in Chinese.

A sentence is recognised by its form, ``"{key}: unknown key"``; what stands in braces is carried over. A sentence
that no table knows stays English, which is better than nothing.
"""

import re
from collections.abc import Mapping

_HINT = re.compile(r'^(?P<text>.*); did you mean "(?P<word>[^"]*)"\?$', re.DOTALL)


class Retelling:
    """Tells sentences of these tables again.

    Args:
        tables: English form to Chinese form; earlier tables win.
    """

    def __init__(self, *tables: Mapping[str, str]) -> None:
        self._whole: dict[str, str] = {}
        for table in reversed(tables):
            self._whole.update(table)
        forms = sorted((each for each in self._whole if "{" in each), key=_plain_letters, reverse=True)
        self._forms = [(_pattern(each), self._whole[each]) for each in forms]  # the most specific first

    def __call__(self, text: str) -> str:
        """The sentence in Chinese, as far as its form is known."""
        hint = _HINT.match(text)
        if hint:
            return f"{self(hint['text'])}；是否应为“{hint['word']}”？"
        if text in self._whole:
            return self._whole[text]
        for pattern, chinese in self._forms:
            found = pattern.fullmatch(text)
            if found:
                return chinese.format(**{name: self._fact(name, fact) for name, fact in found.groupdict().items()})
        return text

    def _fact(self, name: str, fact: str) -> str:
        """What stands in braces. A key of a file stays as it is written there, also where it is a word of ours."""
        if name == "why":  # a sentence of its own
            return self(fact)
        return fact if name == "key" and fact.isidentifier() else self._whole.get(fact, fact)


def _pattern(sentence: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", sentence)
    seen: set[str] = set()
    out = ""
    for at, part in enumerate(parts):
        if at % 2 == 0:
            out += re.escape(part)
        elif part in seen:
            out += f"(?P={part})"
        else:
            seen.add(part)
            out += f"(?P<{part}>.*)"
    return re.compile(out, re.DOTALL)


def _plain_letters(sentence: str) -> int:
    return len(re.sub(r"\{\w+\}", "", sentence))


DOCUMENT_FAULTS = {
    "not UTF-8 text: byte {n}": "不是 UTF-8 文本：第 {n} 字节",
    "cannot be read: {why}": "无法读取：{why}",
    "No such file or directory": "没有这个文件",
    "Permission denied": "没有权限",
    "Is a directory": "这是目录",
    "larger than {n} bytes": "超过 {n} 字节",
    "not YAML: {why}": "不是 YAML：{why}",
    "the file is empty": "文件是空的",
    "nested too deeply": "嵌套过深",
    "more than {n} values; is an alias used too often?": "超过 {n} 个值；是否引用了过多别名？",
    "{key}: a value is missing": "{key}：缺少值",
    "{key}: write a block of keys here": "{key}：此处应写若干键",
    "{key}: write a block of keys here, not {said}": "{key}：此处应写若干键，而不是 {said}",
    "{key}: write keys and values here, not {said}": "{key}：此处应写键和值，而不是 {said}",
    "{key}: write a list here (lines that begin with '- '), not {said}": (
        "{key}：此处应写列表（每行以“- ”开头），而不是 {said}"
    ),
    "{key}: one value is wanted here, not {said}": "{key}：此处应写一个值，而不是 {said}",
    "a list": "列表",
    "a block of keys": "若干键",
    "nothing": "空",
    "{key}: {word} is not known": "{key}：不认识 {word}",
    "{key}: the key {word} is missing": "{key}：缺少键 {word}",
    "{key}: the key {word} is missing; write one of {words}": "{key}：缺少键 {word}；应为 {words} 之一",
    "the file": "文件",
    "{key}: written twice": "{key}：写了两次",
    "{key}: unknown key": "{key}：没有这个键",
    "{key}: {n} entries, at most {most} are allowed": "{key}：有 {n} 项，最多允许 {most} 项",
    "{key}: at least {n} entries are needed": "{key}：至少需要 {n} 项",
    "{key}: {word} is not one of {words}": "{key}：{word} 不在 {words} 之中",
    "{key}: wanted a finite number, got {word}": "{key}：应为有限的数，写的是 {word}",
    "{key}: wanted {what}, got {word}": "{key}：应为 {what}，写的是 {word}",
    "{key}: wanted a whole number {bound}, got {word}": "{key}：应为 {bound} 的整数，写的是 {word}",
    "{key}: wanted a number {bound}, got {word}": "{key}：应为 {bound} 的数，写的是 {word}",
    "a whole number": "整数",
    "a number": "数",
    "text": "文字",
    "true or false": "true 或 false",
    "a station code: eight digits or capital letters": "站码：八位数字或大写字母",
    "small letters, digits, '-' and '_', at most 32": "小写字母、数字、“-”和“_”，最多 32 个",
    "a key must be one word": "键必须是一个词",
    "{key}: {word} is no duration; write for example 500ms, 5s, 15min, 1h": (
        "{key}：{word} 不是时长；应写成 500ms、5s、15min、1h 这样"
    ),
    "{key}: {word} is no size; write for example 64MiB": "{key}：{word} 不是容量；应写成 64MiB 这样",
    "{key}: {text} is not between {low} and {high}": "{key}：{text} 不在 {low} 与 {high} 之间",
    "{key}: {word} must be small letters, digits, - and _": "{key}：{word} 只能用小写字母、数字、- 和 _",
}
"""What :mod:`haihe_contract.document` can say."""
