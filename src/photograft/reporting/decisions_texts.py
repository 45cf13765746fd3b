"""Every text about unsure and unfamiliar photos, in English and Korean; otherwise as in `texts`."""

from __future__ import annotations

from photograft.reporting.texts import Entry, Texts, Words, texts_in

DECISIONS_ENGLISH: dict[str, Entry] = {
    "decisions": "When it says that it is not sure",
    "answers.test": "It answers {answered} of 100 photos and is right for {right} of 100 of these ({n:,} test "
    "photos). The others are “unsure”, with its best guess.",
    "answers.other": "It answers {answered} of 100 photos and is right for {right} of 100 of these ({n:,} photos "
    "that it had not seen). The others are “unsure”, with its best guess.",
    "answers.all": "It answers every photo and is right for {right} of 100 ({n:,} photos). That is enough for the "
    "{wanted} of 100 that were asked for, so no photo is “unsure”.",
    "answers.each": "It answered each of {n:,} photos that it had not seen, and was right for {right} of 100.",
    "answers.few": "Of {n} photos it answers {answered} and is right for {right} of these. The others get the status "
    "“unsure” with its best guess.",
    "answers.none": "No answer is right, as far as {n:,} photos can tell: no limit was found.",
    "unreachable": "No photo is called unsure: on {n:,} photos that the model had not seen, no limit makes sure that "
    "{wanted} of 100 answers are right.",
    "unreachable.few": "That takes at least {fewest} independent photos without a mistake among them, or more with "
    "some; these count as {worth}. More labelled photos help, or a lower predict.precision.",
    "unreachable.wrong": "The model is too often wrong where it is most sure. More photos help, labels that are "
    "corrected, or a lower predict.precision.",
    "curve": "The dot is the limit (probability {limit}), the dashed line the {wanted} of 100 that were asked for.",
    "curve.above": "The dot is the limit (probability {limit}), the dashed line the {wanted} of 100 that were asked "
    "for: as these shall hold with 90 % confidence, more are usually right.",
    "curve.few": "The dot is the limit (probability {limit}), the dashed line the {wanted} of 100 that were asked "
    "for: as these shall hold with 90 % confidence, few photos need a higher limit.",
    "figure.coverage": "Share of answered photos against the share of right answers",
    "figure.answered": "Photos answered",
    "figure.correct": "Answers right",
    "figure.here": "{answered} answered, {right} right",
    "strangers": "Where a class is left out of what photos are compared with, it looks stranger than the others in "
    "{share} of 100 pairs (50 would be guessing).",
    "strangers.none": "With so few photos it could not be tried how well photos of other classes are told.",
    "strangers.limit": "Photos unlike all that it learned from are “unfamiliar”; so are, by mistake, about {flagged} "
    "of 100 known ones.",
    "strangers.test": "Photos unlike all that it learned from are “unfamiliar”; so were, by mistake, {flagged} of "
    "{n:,} test photos.",
}

DECISIONS_KOREAN: dict[str, Entry] = {
    "decisions": "확신하지 못한다고 말할 때",
    "answers.test": "사진 100장 중 {answered}장에 답하고, 그중 100장당 {right}장이 맞습니다(테스트 사진 {n:,}장). "
    "나머지는 가장 그럴듯한 답과 함께 ‘unsure’ 상태가 됩니다.",
    "answers.other": "사진 100장 중 {answered}장에 답하고, 그중 100장당 {right}장이 맞습니다(모델도 기준도 보지 않은 "
    "사진 {n:,}장). 나머지는 가장 그럴듯한 답과 함께 ‘unsure’ 상태가 됩니다.",
    "answers.all": "모든 사진에 답하며 100장 중 {right}장이 맞습니다(사진 {n:,}장). 요청한 100장 중 {wanted}장을 "
    "이미 만족하므로 ‘unsure’가 되는 사진이 없습니다.",
    "answers.each": "보지 않은 사진 {n:,}장 모두에 답했고 100장 중 {right}장이 맞았습니다.",
    "answers.few": "사진 {n}장 중 {answered}장에 답하고 그중 {right}장이 맞습니다. 나머지는 가장 그럴듯한 답과 함께 "
    "‘unsure’ 상태가 됩니다.",
    "answers.none": "사진 {n:,}장으로는 맞는 답을 확인하지 못해 기준을 정하지 못했습니다.",
    "unreachable": "‘unsure’가 되는 사진이 없습니다. 모델이 보지 않은 사진 {n:,}장에서는 답 100개 중 {wanted}개가 "
    "맞도록 보장하는 기준이 없습니다.",
    "unreachable.few": "실수 없는 독립적인 사진이 적어도 {fewest}장, 실수가 있으면 더 많이 필요합니다. 지금은 "
    "{worth}장에 해당합니다. 레이블이 있는 사진을 더하거나 predict.precision을 낮추십시오.",
    "unreachable.wrong": "모델이 가장 확신하는 곳에서도 너무 자주 틀립니다. 사진을 더하거나, 레이블을 고치거나, "
    "predict.precision을 낮추십시오.",
    "curve": "점은 기준(확률 {limit}), 점선은 요청한 100개 중 {wanted}개입니다.",
    "curve.above": "점은 기준(확률 {limit}), 점선은 요청한 100개 중 {wanted}개입니다. 90 % 신뢰도로 지키도록 "
    "정하므로 대개 그보다 높습니다.",
    "curve.few": "점은 기준(확률 {limit}), 점선은 요청한 100개 중 {wanted}개입니다. 사진이 적어 90 % 신뢰도로 "
    "지키려면 더 높아야 합니다.",
    "figure.coverage": "답한 사진의 비율과 맞은 답의 비율",
    "figure.answered": "답한 사진",
    "figure.correct": "맞은 답",
    "figure.here": "{answered} 답함, {right} 맞음",
    "strangers": "클래스 하나를 비교 기준에서 빼면, 그 사진은 100쌍 중 {share}쌍에서 나머지보다 낯설게 보입니다"
    "(50이면 추측).",
    "strangers.none": "사진이 너무 적어 다른 클래스의 사진을 얼마나 구별하는지 확인하지 못했습니다.",
    "strangers.limit": "배운 것과 다른 사진은 ‘unfamiliar’ 상태가 되며, 아는 클래스의 사진도 100장 중 약 "
    "{flagged}장이 그렇게 됩니다.",
    "strangers.test": "배운 것과 다른 사진은 ‘unfamiliar’ 상태가 되며, 테스트 사진 {n:,}장 중 {flagged}장도 그렇게 "
    "됩니다.",
}

DECISIONS_WORDS = Words(DECISIONS_ENGLISH, DECISIONS_KOREAN)


def decisions_texts_in(language: str) -> Texts:
    """Return the texts in "ko", else in English."""
    return texts_in(language, DECISIONS_WORDS)
