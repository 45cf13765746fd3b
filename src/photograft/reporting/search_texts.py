"""Every text about searching, in English and Korean; otherwise as in `texts`."""

from __future__ import annotations

from photograft.reporting.texts import Entry, Texts, Words, texts_in

SEARCH_ENGLISH: dict[str, Entry] = {
    "search.page": "Similar photos · {index}",
    "search.kicker": "photograft search · {index}",
    "search.title": ("Photos like this one", "Photos like these {n:,}"),
    "search.title.copies": ("Copies of this photo", "Copies of these {n:,} photos"),
    "search.lead": ("Among {n:,} photo of the index.", "Among {n:,} photos of the index."),
    "search.lead.label": "Only photos labelled “{label}” were looked at.",
    "search.lead.folder": "Only photos in “{folder}” were looked at.",
    "search.photo": "The photo that was asked about",
    "search.photo.alt": "The photo {name}",
    "search.same": "{share} same class",
    "search.similarity": "similarity {value}",
    "search.unlabelled": "no label",
    "search.no.picture": "no picture",
    "search.others": ("also at {n} other path", "also at {n} other paths"),
    "search.none": "Nothing in the index is like it.",
    "search.none.copies": "The index holds no copy of it.",
    "search.rejected": "This photo could not be used: {reason}",
    "search.read": "How to read this",
    "search.read.similarity": "Similarity is the cosine of what the network {model} says of two photos, compared as "
    "they differ within this index: 1 for the same picture, about 0 for any two photos.",
    "search.read.same": "“Same class” is the probability that both photos have the same label. It was learned from "
    "{n:,} labelled photos of {classes} classes of the index, each compared with all others but itself. It counts "
    "same and different pairs alike (a prior of {prior}): it tells what the pictures say, not how frequent a class is.",
    "search.read.quality": "Of these photos, {share} have one of their own class as the nearest other photo.",
    "search.read.none": "The index has too few labels to say how probable it is that two photos show the same class.",
    "search.read.copies": "Copies are found by their pixels and their coarse light and dark, and confirmed by the "
    "network. Copies that were cropped or are much brighter are missed.",
    "search.footer": "Made by photograft search. The pictures are part of this file.",
    "kind.the same file": "the same file",
    "kind.the same picture": "the same picture",
    "kind.nearly the same picture": "nearly the same picture",
    "kind.nearly the same picture, mirrored": "nearly the same picture, mirrored",
    "kind.nearly the same picture, upside down, mirrored": "nearly the same picture, upside down, mirrored",
    "kind.nearly the same picture, rotated by 180 degrees": "nearly the same picture, upside down",
    "kind.nearly the same picture, rotated by 90 degrees": "nearly the same picture, turned",
    "kind.nearly the same picture, rotated by 90 degrees, mirrored": "nearly the same picture, turned and mirrored",
}

SEARCH_KOREAN: dict[str, Entry] = {
    "search.page": "비슷한 사진 · {index}",
    "search.kicker": "photograft search · {index}",
    "search.title": ("이 사진과 비슷한 사진", "사진 {n:,}장과 비슷한 사진"),
    "search.title.copies": ("이 사진의 사본", "사진 {n:,}장의 사본"),
    "search.lead": "색인에 있는 사진 {n:,}장에서 찾았습니다.",
    "search.lead.label": "레이블이 “{label}”인 사진만 살펴보았습니다.",
    "search.lead.folder": "“{folder}”에 있는 사진만 살펴보았습니다.",
    "search.photo": "질문한 사진",
    "search.photo.alt": "사진 {name}",
    "search.same": "같은 클래스일 확률 {share}",
    "search.similarity": "유사도 {value}",
    "search.unlabelled": "레이블 없음",
    "search.no.picture": "그림 없음",
    "search.others": "다른 경로 {n}곳에도 있음",
    "search.none": "색인에 비슷한 사진이 없습니다.",
    "search.none.copies": "색인에 이 사진의 사본이 없습니다.",
    "search.rejected": "이 사진은 사용할 수 없습니다: {reason}",
    "search.read": "읽는 방법",
    "search.read.similarity": "유사도는 신경망 {model:이} 두 사진에 대해 말하는 바를 이 색인 안의 차이에 맞추어 "
    "비교한 코사인입니다. 같은 그림이면 1, 아무 두 사진이면 0에 가깝습니다.",
    "search.read.same": "“같은 클래스일 확률”은 두 사진의 레이블이 같을 확률입니다. 색인의 {classes}개 클래스, "
    "레이블이 있는 사진 {n:,}장을 자신을 뺀 다른 모든 사진과 비교하여 얻었습니다. 같은 쌍과 다른 쌍을 똑같이 "
    "셉니다(사전 확률 {prior}). 클래스가 얼마나 흔한지가 아니라 그림이 무엇을 말하는지를 나타냅니다.",
    "search.read.quality": "이 사진들 가운데 {share}는 가장 가까운 다른 사진의 클래스가 자신과 같습니다.",
    "search.read.none": "색인에 레이블이 너무 적어 두 사진이 같은 클래스일 확률을 말할 수 없습니다.",
    "search.read.copies": "사본은 픽셀과 큰 명암으로 찾고 신경망으로 확인합니다. 잘라 냈거나 훨씬 밝게 바꾼 사본은 "
    "찾지 못합니다.",
    "search.footer": "photograft search가 만들었습니다. 그림은 이 파일 안에 들어 있습니다.",
    "kind.the same file": "같은 파일",
    "kind.the same picture": "같은 그림",
    "kind.nearly the same picture": "거의 같은 그림",
    "kind.nearly the same picture, mirrored": "거의 같은 그림, 좌우 반전",
    "kind.nearly the same picture, upside down, mirrored": "거의 같은 그림, 상하 반전",
    "kind.nearly the same picture, rotated by 180 degrees": "거의 같은 그림, 180도 회전",
    "kind.nearly the same picture, rotated by 90 degrees": "거의 같은 그림, 90도 회전",
    "kind.nearly the same picture, rotated by 90 degrees, mirrored": "거의 같은 그림, 90도 회전 및 반전",
}

_SEARCH_WORDS = Words(SEARCH_ENGLISH, SEARCH_KOREAN)


def search_texts_in(language: str) -> Texts:
    """Return the texts in "ko", else in English."""
    return texts_in(language, _SEARCH_WORDS)
