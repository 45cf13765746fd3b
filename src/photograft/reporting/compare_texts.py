"""Every text of the page that compares runs, in English and Korean; otherwise as in `texts`."""

from __future__ import annotations

from photograft.reporting.study_texts import STUDY_WORDS
from photograft.reporting.texts import Entry, Texts, Words, texts_in

COMPARE_ENGLISH: dict[str, Entry] = {
    "compare.page": "{names} · photograft comparison",
    "compare.kicker": "photograft comparison",
    "compare.verdict": "{better} is better than {worse}.",
    "compare.verdict.same": "{a} and {b} cannot be told apart.",
    "compare.verdict.none": "No run can be told apart from {reference}.",
    "compare.verdict.several": "Against {reference}: {better} better, {worse} worse, {same} not distinguishable.",
    "compare.many": "Of several comparisons some may stand out by chance: a run is called better or worse only "
    "where that still holds for all of them together (Holm’s correction).",
    "compare.partly": "{a} judged {n_a:,} photos and {b} {n_b:,}; not all of them are the same. They are compared on "
    "the {n:,} photos alone that both judged without having been trained on them. Of these {a} names {share_a} "
    "rightly, and {b} {share_b}; the accuracies in the table are on the photos of each run.",
    "compare.relabelled": (
        "{n:,} photo has another label in one run than in the other, and is left out.",
        "{n:,} photos have other labels in one run than in the other, and are left out.",
    ),
    "compare.opened": "The test part was opened {n} times. Whoever chooses between runs by it gets a score that "
    "flatters.",
    "compare.unsure": "Among {n} comparisons a difference like this may be chance (p {p} by Holm’s correction).",
    "compare.runs": "Runs",
    "compare.lead": "Each accuracy with its 95 % interval, on photos that the run had not been trained on.",
    "compare.run": "Run",
    "compare.reference": "the others are compared with this one",
    "compare.made": "{backbone}, {px} px, {classes} classes, judged on {what}",
    "what.test": "the test part",
    "what.out-of-fold": "photos out of fold",
    "what.validation": "the validation part",
    "compare.pairs": "Compared on the same photos",
    "compare.pairs.lead": "Differences in accuracy on the photos that both runs judged, with 95 % intervals from "
    "pairs.",
    "compare.classes": "Classes",
    "compare.classes.lead": "Change of F1 on the photos that both judged. F1 counts both photos of the class that were "
    "missed and photos that were wrongly given its name. Each interval is at 95 % on its own, so that of many classes "
    "some lie beside zero by chance; a class is said to have gained or lost where it is more than that.",
    "compare.classes.gained": "Gained by more than chance: {names}.",
    "compare.classes.lost": "Lost by more than chance: {names}.",
    "compare.classes.none": "No class gained or lost by more than chance.",
    "compare.classes.more": "and {n} more",
    "compare.classes.all": "All {n} classes",
    "compare.classes.most": "The {n} classes that changed most, of {k}.",
    "compare.class": "Class",
    "compare.class.photos": "Photos",
    "compare.class.recall": "Found, {name}",
    "compare.class.f1": "Change of F1",
    "compare.class.points": "points, 95 % interval",
    "compare.class.gained": "gained",
    "compare.class.lost": "lost",
    "compare.between": "{low} to {high}",
    "compare.scale": "{low} to {high} %",
    "compare.photos": "Photos that only one names rightly",
    "compare.photos.only": "Only {name} is right: {n:,} photos",
    "compare.photos.first": "The first {shown} of {n:,}, those first where the other was surest of its mistake.",
    "compare.photos.none": "No photo is named rightly by one of them alone.",
    "compare.photos.other": "The other said",
    "compare.photos.label": "Label",
    "compare.photos.alt": "{label}, which the other took for {wrong}",
    "compare.photos.missing": "no picture",
    "compare.settings": "Settings that differ",
    "compare.settings.lead": "As they were used; a dash where a run has no use for a setting.",
    "compare.settings.same": "All settings are the same.",
    "compare.setting": "Setting",
    "compare.details": "Where it is",
    "compare.folder": "Folder",
    "compare.created": "Made",
    "compare.version": "photograft",
    "compare.code": "Code",
}

COMPARE_KOREAN: dict[str, Entry] = {
    "compare.page": "{names} · photograft 비교",
    "compare.kicker": "photograft 비교",
    "compare.verdict": "{better} 쪽이 {worse}보다 낫습니다.",
    "compare.verdict.same": "{a}, {b}: 우열을 가릴 수 없습니다.",
    "compare.verdict.none": "{reference}: 이것과 구별되는 실행이 없습니다.",
    "compare.verdict.several": "{reference} 기준: 나음 {better}, 못함 {worse}, 구별되지 않음 {same}.",
    "compare.many": "비교가 여럿이면 우연히 차이가 나 보이는 것도 있으므로, 모든 비교를 함께 보아도 차이가 남을 때만 "
    "낫다거나 못하다고 적었습니다(홀름 보정).",
    "compare.partly": "{a}: 사진 {n_a:,}장, {b}: 사진 {n_b:,}장으로 평가했고 모두 같은 사진은 아닙니다. 두 실행이 "
    "학습하지 않고 판정한 사진 {n:,}장에서만 비교했습니다. 이 사진에서 정확도는 {a} {share_a}, {b} {share_b}입니다. "
    "표의 정확도는 각 실행이 평가한 사진에서 잰 값입니다.",
    "compare.relabelled": "두 실행에서 레이블이 서로 다른 사진 {n:,}장은 뺐습니다.",
    "compare.opened": "테스트 사진을 {n}번 열어 보았습니다. 그 점수로 실행을 고르면 실제보다 좋아 보입니다.",
    "compare.unsure": "비교 {n}가지 가운데 이만한 차이는 우연일 수 있습니다(홀름 보정 p {p}).",
    "compare.runs": "실행",
    "compare.lead": "정확도는 학습에 쓰지 않은 사진에서 잰 값이며 95 % 신뢰 구간을 함께 적었습니다.",
    "compare.run": "실행",
    "compare.reference": "다른 실행을 이것과 비교합니다",
    "compare.made": "{backbone}, {px} px, 클래스 {classes}개, 평가: {what}",
    "what.test": "테스트 사진",
    "what.out-of-fold": "교차 검증",
    "what.validation": "검증 사진",
    "compare.pairs": "같은 사진에서 비교",
    "compare.pairs.lead": "두 실행이 모두 판정한 사진에서 잰 정확도의 차이와 짝지은 95 % 신뢰 구간입니다.",
    "compare.classes": "클래스",
    "compare.classes.lead": "두 실행이 모두 판정한 사진에서 F1이 어떻게 달라졌는지입니다. F1은 놓친 사진과 잘못 그 "
    "이름을 붙인 사진을 함께 셉니다. 구간은 클래스마다 95 %이므로 클래스가 많으면 몇 개는 우연히 0을 벗어납니다. "
    "우연을 넘을 때만 좋아졌다거나 나빠졌다고 적었습니다.",
    "compare.classes.gained": "우연을 넘어 좋아진 클래스: {names}.",
    "compare.classes.lost": "우연을 넘어 나빠진 클래스: {names}.",
    "compare.classes.none": "우연을 넘어 좋아지거나 나빠진 클래스는 없습니다.",
    "compare.classes.more": "그 밖에 {n}개",
    "compare.classes.all": "클래스 {n}개 모두",
    "compare.classes.most": "클래스 {k}개 가운데 가장 많이 달라진 {n}개입니다.",
    "compare.class": "클래스",
    "compare.class.photos": "사진",
    "compare.class.recall": "찾은 비율, {name}",
    "compare.class.f1": "F1 변화",
    "compare.class.points": "%p, 95 % 신뢰 구간",
    "compare.class.gained": "좋아짐",
    "compare.class.lost": "나빠짐",
    "compare.between": "{low} ~ {high}",
    "compare.scale": "{low}~{high} %",
    "compare.photos": "한쪽만 맞은 사진",
    "compare.photos.only": "{name}만 맞은 사진 {n:,}장",
    "compare.photos.first": "{n:,}장 가운데 {shown}장. 다른 쪽이 가장 확신하며 틀린 사진부터입니다.",
    "compare.photos.none": "한쪽만 맞은 사진은 없습니다.",
    "compare.photos.other": "다른 쪽의 답",
    "compare.photos.label": "레이블",
    "compare.photos.alt": "{label} 사진, 다른 쪽의 답은 {wrong}",
    "compare.photos.missing": "사진 없음",
    "compare.settings": "서로 다른 설정",
    "compare.settings.lead": "실제로 쓰인 값입니다. 실행이 쓰지 않는 설정은 줄표로 적었습니다.",
    "compare.settings.same": "모든 설정이 같습니다.",
    "compare.setting": "설정",
    "compare.details": "저장된 곳",
    "compare.folder": "폴더",
    "compare.created": "만든 때",
    "compare.version": "photograft",
    "compare.code": "코드",
}

COMPARE_WORDS = Words(COMPARE_ENGLISH, COMPARE_KOREAN)


def compare_texts_in(language: str) -> Texts:
    """Return the texts in "ko", else in English."""
    return texts_in(language, STUDY_WORDS, COMPARE_WORDS)
