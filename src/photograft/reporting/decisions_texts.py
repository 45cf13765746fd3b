"""Every text about unsure and unfamiliar photos, in English and Korean; otherwise as in `texts`."""

from __future__ import annotations

from photograft.reporting.texts import ENGLISH, Entry, Texts


def decisions_texts_in(language: str) -> Texts:
    """Return the texts in `language`; English where there is no such table."""
    if language == "ko":
        return Texts("ko", {**ENGLISH, **DECISIONS_ENGLISH, **DECISIONS_KOREAN})
    return Texts("en", {**ENGLISH, **DECISIONS_ENGLISH})


DECISIONS_ENGLISH: dict[str, Entry] = {
    "decisions": "When it says that it is not sure",
    "answers.test": "It answers {answered} of 100 photos and is right for {right} of 100 of these ({n:,} test "
    "photos). The others get the status “unsure” with its best guess.",
    "answers.other": "It answers {answered} of 100 photos and is right for {right} of 100 of these ({n:,} photos "
    "that neither the model nor the limit had seen). The others get the status “unsure” with its best guess.",
    "answers.all": "It answers every photo and is right for {right} of 100 ({n:,} photos): it is good enough for the "
    "{wanted} of 100 that were asked for, so that no photo is called unsure.",
    "answers.few": "Of {n} photos it answers {answered} and is right for {right} of these. The others get the status "
    "“unsure” with its best guess.",
    "answers.none": "No answer is right, as far as {n:,} photos can tell: no limit was found.",
    "limit": "The limit: photos whose label has a probability below {limit} are unsure. It was chosen on {n:,} "
    "photos that the model had not seen, so that at least {wanted} of 100 answers are right with 90 % confidence.",
    "limit.all": "It was tested on {n:,} photos that the model had not seen: at least {wanted} of 100 answers are "
    "right with 90 % confidence.",
    "limit.few": "With so few photos it is on the safe side: more photos would let it answer more of them.",
    "unreachable": "No photo is called unsure: on {n:,} photos that the model had not seen, no limit makes sure that "
    "{wanted} of 100 answers are right.",
    "unreachable.few": "That takes at least {fewest} independent photos without a mistake among them, or more with "
    "some; these count as {worth}. More labelled photos help, or a lower predict.precision.",
    "unreachable.wrong": "The model is too often wrong where it is most sure. More photos help, labels that are "
    "corrected, or a lower predict.precision.",
    "curve": "Of the photos it is most sure of, how many it answers and how many of the answers are right. The dot "
    "is the limit, the dashed line what was asked for.",
    "figure.coverage": "Share of answered photos against the share of right answers",
    "figure.answered": "Photos answered",
    "figure.correct": "Answers right",
    "figure.here": "{answered} answered, {right} right",
    "strangers": "Photos of a class that it never learned look stranger to it than known ones in {share} of 100 "
    "pairs (50 would be guessing): each of {n} classes was kept from it in turn. Hardest to tell is “{weakest}” with "
    "{low}.",
    "strangers.none": "How well it tells photos of other classes could not be tried with so few photos.",
    "strangers.limit": "Photos that are stranger than nearly all training photos get the status “unfamiliar”. About "
    "{flagged} of 100 photos of the known classes are called so by mistake.",
    "strangers.test": "Of {of:,} test photos, {n} were.",
}

DECISIONS_KOREAN: dict[str, Entry] = {
    "decisions": "확신하지 못한다고 말할 때",
    "answers.test": "사진 100장 중 {answered}장에 답하고, 그중 100장당 {right}장이 맞습니다(시험 사진 {n:,}장). "
    "나머지는 가장 그럴듯한 답과 함께 ‘unsure’ 상태가 됩니다.",
    "answers.other": "사진 100장 중 {answered}장에 답하고, 그중 100장당 {right}장이 맞습니다(모델도 기준도 보지 않은 "
    "사진 {n:,}장). 나머지는 가장 그럴듯한 답과 함께 ‘unsure’ 상태가 됩니다.",
    "answers.all": "모든 사진에 답하며 100장 중 {right}장이 맞습니다(사진 {n:,}장). 요청한 100장 중 {wanted}장을 "
    "이미 만족하므로 ‘unsure’가 되는 사진이 없습니다.",
    "answers.few": "사진 {n}장 중 {answered}장에 답하고 그중 {right}장이 맞습니다. 나머지는 가장 그럴듯한 답과 함께 "
    "‘unsure’ 상태가 됩니다.",
    "answers.none": "사진 {n:,}장으로는 맞는 답을 확인하지 못해 기준을 정하지 못했습니다.",
    "limit": "기준: 답의 확률이 {limit}보다 낮은 사진은 ‘unsure’입니다. 모델이 보지 않은 사진 {n:,}장에서, 90 % "
    "신뢰도로 답 100개 중 {wanted}개 이상이 맞도록 정했습니다.",
    "limit.all": "모델이 보지 않은 사진 {n:,}장에서 확인했습니다. 90 % 신뢰도로 답 100개 중 {wanted}개 이상이 "
    "맞습니다.",
    "limit.few": "사진이 적어 기준이 안전한 쪽으로 정해졌습니다. 사진이 더 있으면 더 많은 사진에 답할 수 있습니다.",
    "unreachable": "‘unsure’가 되는 사진이 없습니다. 모델이 보지 않은 사진 {n:,}장에서는 답 100개 중 {wanted}개가 "
    "맞도록 보장하는 기준이 없습니다.",
    "unreachable.few": "실수 없는 독립적인 사진이 적어도 {fewest}장, 실수가 있으면 더 많이 필요합니다. 지금은 "
    "{worth}장에 해당합니다. 라벨이 있는 사진을 더하거나 predict.precision을 낮추세요.",
    "unreachable.wrong": "모델이 가장 확신하는 곳에서도 너무 자주 틀립니다. 사진을 더하거나, 라벨을 고치거나, "
    "predict.precision을 낮추세요.",
    "curve": "가장 확신하는 사진부터 몇 장에 답하고 그 답이 얼마나 맞는지를 보입니다. 점은 기준, 점선은 요청한 "
    "값입니다.",
    "figure.coverage": "답한 사진의 비율과 맞은 답의 비율",
    "figure.answered": "답한 사진",
    "figure.correct": "맞은 답",
    "figure.here": "{answered} 답함, {right} 맞음",
    "strangers": "배우지 않은 클래스의 사진은 100쌍 중 {share}쌍에서 아는 사진보다 낯설게 보입니다(50이면 추측). "
    "클래스 {n}개를 차례로 빼고 확인했습니다. 가장 구별하기 어려운 것은 “{weakest}”로 {low}입니다.",
    "strangers.none": "사진이 너무 적어 다른 클래스의 사진을 얼마나 구별하는지 확인하지 못했습니다.",
    "strangers.limit": "거의 모든 학습 사진보다 낯선 사진은 ‘unfamiliar’ 상태가 됩니다. 아는 클래스의 사진도 100장 "
    "중 약 {flagged}장이 잘못 그렇게 됩니다.",
    "strangers.test": "시험 사진 {of:,}장 중에서는 {n}장이었습니다.",
}
