"""Every text about doubtful labels, in English and Korean; otherwise as in `texts`."""

from __future__ import annotations

from photograft.reporting.texts import Entry, Texts, Words, texts_in

DOUBTS_ENGLISH: dict[str, Entry] = {
    "doubts": "Labels you should look at",
    "doubts.open": "Are there wrong labels?",
    "doubts.none": "None of the {of:,} labels stands out as wrong.",
    "doubts.some": (
        "1 of the {of:,} labels ({share}) is probably wrong.",
        "About {n:,} of the {of:,} labels ({share}) are probably wrong.",
    ),
    "doubts.weak": (
        "1 of the {of:,} labels ({share}) is doubted. The model names {missed} of all photos otherwise than they are "
        "labelled, so it may well be right.",
        "{n:,} of the {of:,} labels ({share}) are doubted. The model names {missed} of all photos otherwise than they "
        "are labelled, so many of these labels may be right.",
    ),
    "doubts.useless": (
        "The model names {missed} of all photos otherwise than they are labelled and doubts 1 of the {of:,} labels. "
        "It is too often wrong to tell a wrong label from a mistake of its own.",
        "The model names {missed} of all photos otherwise than they are labelled and doubts {n:,} of the {of:,} "
        "labels. It is too often wrong to tell wrong labels from mistakes of its own.",
    ),
    "doubts.elsewhere": (
        "One of them is among the worst mistakes above, marked “label doubted”.",
        "{n} of them are among the worst mistakes above, marked “label doubted”.",
    ),
    "doubts.elsewhere.all": (
        "It is among the worst mistakes above, marked “label doubted”.",
        "They are all among the worst mistakes above, marked “label doubted”.",
    ),
    "doubts.mark": "label doubted",
    "doubts.more": ("1 more", "{n} more"),
    "doubts.first": ("The most doubtful one:", "The {n} most doubtful ones:"),
    "doubts.others": ("The most doubtful of the others:", "Of the others the {n} most doubtful ones:"),
    "doubts.test": (
        "One test photo is doubted as well. Change its label only if you are sure without the model: test labels that "
        "are corrected by what a model says make its score too good.",
        "{n:,} test photos are doubted as well. Change their labels only if you are sure without the model: test "
        "labels that are corrected by what a model says make its score too good.",
    ),
    "doubts.label": "Label:",
    "doubts.suggested": "Rather:",
    "doubts.without": "no label",
    "doubts.missing": "no picture",
    "doubts.alt": "Labelled {label}, rather {suggested}",
    "doubts.command": "Decide photo by photo, with copies and similar photos beside each (RUN is the folder of this "
    "page):",
    "doubts.file": "All photos in this order: label_doubts.csv.",
}

DOUBTS_KOREAN: dict[str, Entry] = {
    "doubts": "확인해야 할 레이블",
    "doubts.open": "틀린 레이블이 있습니까?",
    "doubts.none": "레이블 {of:,}개 가운데 틀려 보이는 것이 없습니다.",
    "doubts.some": "레이블 {of:,}개 가운데 약 {n:,}개({share})가 틀린 것으로 보입니다.",
    "doubts.weak": "레이블 {of:,}개 가운데 {n:,}개({share})가 의심스럽습니다. 모델이 전체 사진의 {missed}를 "
    "레이블과 다르게 보므로, 이 레이블들 가운데 상당수는 맞을 수 있습니다.",
    "doubts.useless": "모델이 전체 사진의 {missed}를 레이블과 다르게 보고 레이블 {of:,}개 가운데 {n:,}개를 의심합니다. "
    "너무 자주 틀려서 틀린 레이블과 모델의 실수를 구별할 수 없습니다.",
    "doubts.elsewhere": "그 가운데 {n}장은 위의 가장 큰 실수에 ‘레이블 의심’ 표시와 함께 있습니다.",
    "doubts.elsewhere.all": "모두 위의 가장 큰 실수에 ‘레이블 의심’ 표시와 함께 있습니다.",
    "doubts.mark": "레이블 의심",
    "doubts.more": "{n}장 더",
    "doubts.first": "가장 의심스러운 {n}장:",
    "doubts.others": "나머지 가운데 가장 의심스러운 {n}장:",
    "doubts.test": "테스트 사진 {n:,}장도 의심스럽습니다. 모델 없이도 확신할 때에만 레이블을 바꾸십시오. 모델의 의견에 "
    "따라 테스트 레이블을 고치면 성적이 실제보다 좋아집니다.",
    "doubts.label": "레이블:",
    "doubts.suggested": "아마도:",
    "doubts.without": "레이블 없음",
    "doubts.missing": "사진 없음",
    "doubts.alt": "레이블은 {label}, 아마도 {suggested}",
    "doubts.command": "복사본과 비슷한 사진을 옆에 두고 한 장씩 결정하십시오(RUN은 이 페이지가 있는 폴더):",
    "doubts.file": "모든 사진의 순서: label_doubts.csv.",
}

DOUBTS_WORDS = Words(DOUBTS_ENGLISH, DOUBTS_KOREAN)


def doubts_texts_in(language: str) -> Texts:
    """Return the texts in "ko", else in English."""
    return texts_in(language, DOUBTS_WORDS)
