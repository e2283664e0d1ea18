"""What the server says when it refuses, in English and Chinese: in the language that a browser asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One thing to say in both languages; `{}` are filled in when it is said."""

    en: str
    zh: str

    def said(self, language: Language, *values: object) -> str:
        """The sentence in a language."""
        return (self.zh if language == "zh" else self.en).format(*values)


NOTHING = Sentence(
    "there is no image: send an image file as the body, or files as a form",
    "没有图片：请把图片文件作为请求正文发送，或用表单上传",
)
TOO_LARGE = Sentence(
    "the request has more than {} MiB; make the images smaller first, or send fewer",
    "请求超过 {} MiB；请先缩小图片，或减少图片数量",
)
TOO_MANY = Sentence(
    "a form may hold at most {} files; send the others in another request", "一个表单最多 {} 个文件；其余请另行发送"
)
NO_FORM = Sentence(
    "the form cannot be read: it is cut off, or not written as multipart/form-data",
    "无法读取表单：内容不完整，或不是 multipart/form-data",
)
NO_FILE = Sentence(
    "the field {!r} of the form is not a file; send images as files, and the number of classes as ?top=3",
    "表单字段 {!r} 不是文件；请以文件形式发送图片，类别数写作 ?top=3",
)
NOT_READ = Sentence(
    "{0}",
    "{1}无法作为图片读取：请给出内容完整的 JPEG、PNG、BMP、GIF、WebP、TIFF 或 PPM 文件，"
    "每边至少 4 像素，总像素不超过 1 亿",
)
"""The reason, which the reader of images gives in English; which file, for Chinese, with all that would work."""
TOP = Sentence("top={}: ask for at least 1 class", "top={}：至少要 1 个类别")
BUSY = Sentence("too many images wait; try again in a moment", "等待的图片太多；请稍后再试")
NO_PLACE = Sentence(
    "there is nothing at {}; known are /, /model, /health and /predict",
    "没有 {} 这个地址；可用的是 /、/model、/health 和 /predict",
)
NO_METHOD = Sentence(
    "{} cannot be asked by {}; /predict takes POST, the others GET", "{} 不接受 {}；/predict 用 POST，其余用 GET"
)
FAILED = Sentence("the server failed; its terminal says why", "服务器出错；原因见服务器终端")


@dataclass(slots=True, eq=False)
class Refusal(Exception):  # noqa: N818  (what it is)
    """A request that is refused: with which status, in which words, with which headers."""

    status: int
    sentence: Sentence
    values: tuple[object, ...] = ()
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def said(self, language: Language) -> str:
        """Why, in a language."""
        return self.sentence.said(language, *self.values)


def language_of(accepted: str) -> Language:
    """The language of an Accept-Language header ("zh-CN,zh;q=0.9,en;q=0.8"): the one of ours that is wanted most."""
    best: dict[str, float] = {}
    for part in accepted.lower().split(","):
        tag, _, quality = part.partition(";")
        name = tag.strip().partition("-")[0]
        best[name] = max(best.get(name, 0.0), _quality(quality))
    return "zh" if best.get("zh", 0.0) > best.get("en", 0.0) else "en"


def _quality(text: str) -> float:
    """The q of a language, 1 where none is given."""
    word = text.strip().removeprefix("q=")
    try:
        return float(word) if word else 1.0
    except ValueError:
        return 0.0
