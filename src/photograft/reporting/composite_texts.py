"""Every text about factors, several labels, folds and members, in English and Korean; otherwise as in `texts`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from photograft.reporting.texts import Entry, Texts, Words, texts_in

LABELS_ENGLISH: dict[str, Entry] = {
    "right": "with all labels right",
    "result.test": (
        "On {n:,} photo it had never seen, this model gave exactly the right labels to {share} of 100 photos "
        "({low} to {high} with 95 % confidence).",
        "On {n:,} photos it had never seen, this model gave exactly the right labels to {share} of 100 photos "
        "({low} to {high} with 95 % confidence).",
    ),
    "result.test.few": (
        "On the {n} photo it had never seen, this model gave exactly the right labels to {correct}.",
        "Of only {n} photos it had never seen, this model gave exactly the right labels to {correct}.",
    ),
    "result.folds": "In cross-validation, where every photo is judged by a model trained without it, {share} of 100 "
    "photos were given exactly the right labels ({n:,} photos; {low} to {high} with 95 % confidence).",
    "result.folds.few": "In cross-validation, where every photo is judged by a model trained without it, {correct} of "
    "{n} photos were given exactly the right labels.",
    "result.other": "On {n:,} photos ({what}), this model gave exactly the right labels to {share} of 100 photos "
    "({low} to {high} with 95 % confidence).",
    "result.other.few": "Of only {n} photos ({what}), this model gave exactly the right labels to {correct}.",
    "weakest.none": "It made no mistake on any label.",
    "classes": "Label by label",
    "classes.lead": "Weakest first. A label is given from its threshold on. Recall: of the photos that have the label, "
    "the share that was given it. Precision: of the photos given it, the share that has it. F1 joins the two. Average "
    "precision (AP) asks for the order of the photos alone, whatever the threshold.",
    "classes.name": "Label",
    "reliability.chance": "As far as {n:,} answers, a photo and a label each, can tell, yes: stated and true shares "
    "differ by {gap} points on average, no more than chance explains.",
    "reliability.few": "With {n} answers this cannot be told yet; take the picture as a hint.",
    "reliability.reading": "Every photo counts once for each label. Dots on the dashed line are honest; below it the "
    "model claims too much. Lines show 95 % confidence, bars how many answers there are.",
    "figure.right": "share that has the label",
    "figure.photos": "answers",
    "figure.bin": (
        "stated {low} to {high}: {n:,} answer, {share} have the label",
        "stated {low} to {high}: {n:,} answers, {share} have the label",
    ),
    "mistakes.first": "The {shown} worst of {n:,}. Some may be wrong labels rather than wrong answers: worth a look.",
    "mistakes.predicted": "given",
    "mistakes.alt": "Labelled {label}, given {predicted}",
    "next.weak": "Look at the {n} labels with recall below 80 %, first {names}: are they given to all photos that have "
    "them?",
    "score.accuracy": "All labels right",
    "score.accuracy_low": "All labels right, lower end of 95 %",
    "score.accuracy_high": "All labels right, upper end of 95 %",
    "score.balanced_accuracy": "Balanced accuracy (mean over labels)",
    "score.macro_f1": "Macro F1 (mean over labels)",
}
"""What replaces texts of the page where a photo may have several labels."""

LABELS_KOREAN: dict[str, Entry] = {
    "right": "모든 레이블이 정답",
    "result.test": "처음 보는 사진 {n:,}장에서 이 모델은 100장 중 {share}장에 정확히 맞는 레이블을 붙였습니다(95 % "
    "신뢰 구간 {low}~{high}).",
    "result.test.few": "처음 보는 사진 {n}장에서 이 모델은 {correct}장에 정확히 맞는 레이블을 붙였습니다.",
    "result.folds": "모든 사진을 그 사진 없이 학습한 모델로 판정하는 교차 검증에서 100장 중 {share}장에 정확히 맞는 "
    "레이블을 붙였습니다(사진 {n:,}장, 95 % 신뢰 구간 {low}~{high}).",
    "result.folds.few": "모든 사진을 그 사진 없이 학습한 모델로 판정하는 교차 검증에서 {n}장 중 {correct}장에 정확히 "
    "맞는 레이블을 붙였습니다.",
    "result.other": "사진 {n:,}장({what})에서 이 모델은 100장 중 {share}장에 정확히 맞는 레이블을 붙였습니다(95 % 신뢰 "
    "구간 {low}~{high}).",
    "result.other.few": "사진 {n}장({what})에서 이 모델은 {correct}장에 정확히 맞는 레이블을 붙였습니다.",
    "weakest.none": "어느 레이블에서도 틀리지 않았습니다.",
    "classes": "레이블별 성적",
    "classes.lead": "약한 것부터 적었습니다. 확률이 문턱값 이상이면 레이블을 붙입니다. 재현율은 그 레이블이 있는 사진 "
    "가운데 붙인 비율, 정밀도는 붙인 사진 가운데 실제로 있는 비율이며, F1은 둘을 합친 값입니다. 평균 정밀도(AP)는 "
    "문턱값과 관계없이 사진의 순서만 봅니다.",
    "classes.name": "레이블",
    "reliability.chance": "사진과 레이블을 하나씩 짝지은 답 {n:,}개로 알 수 있는 한은 그렇습니다. 제시한 확률과 실제 "
    "비율의 차이가 평균 {gap}%p이며, 우연으로 설명되는 범위입니다.",
    "reliability.few": "답 {n}개로는 아직 알 수 없습니다. 그림은 참고만 하십시오.",
    "reliability.reading": "사진마다 레이블 하나에 한 번씩 셉니다. 점이 점선 위에 있으면 확률이 정직한 것이고, "
    "점선보다 아래에 있으면 지나치게 자신하는 것입니다. 세로선은 95 % 신뢰 구간, 막대는 답의 수입니다.",
    "figure.right": "실제로 있는 비율",
    "figure.photos": "답의 수",
    "figure.bin": "제시 {low}~{high}: 답 {n:,}개, {share}에 실제로 있음",
    "mistakes.first": "{n:,}개 가운데 가장 큰 {shown}개입니다. 답이 아니라 레이블이 틀린 것도 있을 수 있으니 "
    "살펴보십시오.",
    "mistakes.predicted": "답",
    "mistakes.alt": "레이블 {label}, 답 {predicted}",
    "next.weak": "재현율이 80 %보다 낮은 레이블 {n}개를 살펴보십시오. 먼저 {names}: 그것이 있는 모든 사진에 레이블을 "
    "붙였습니까?",
    "score.accuracy": "모든 레이블이 맞은 비율",
    "score.accuracy_low": "모든 레이블이 맞은 비율, 95 % 하한",
    "score.accuracy_high": "모든 레이블이 맞은 비율, 95 % 상한",
    "score.balanced_accuracy": "균형 정확도(레이블 평균)",
    "score.macro_f1": "매크로 F1(레이블 평균)",
}

COMPOSITE_ENGLISH: dict[str, Entry] = {
    # Several labels
    "labels.scores": "Label by label, mAP is {map}, micro-F1 {micro_f1} and macro-F1 {macro_f1}.",
    "labels.weakest": "It is weakest at “{name}”: it gave the label to {correct} of the {of} photos that have it, and "
    "to {wrong} that do not.",
    "labels.average_precision": "AP",
    "labels.threshold": "Threshold",
    # Factors
    "factors": "Factor by factor",
    "factors.lead": "A photo is named correctly where all its factors are. The last column: of the photos named "
    "wrongly, the share in which this factor is wrong; several may be.",
    "factors.name": "Factor",
    "factors.value": "Value",
    "factors.values": "Values",
    "factors.mistakes": "In mistakes",
    "factors.map": "The map of {name}, {n} values",
    "factors.weak": "Its weak factor is “{name}”: right for {share} of the photos, and wrong in {wrong} of those that "
    "are named wrongly.",
    "factors.unsure": "No factor is clearly the weakest; “{name}” is lowest, right for {share} of the photos and wrong "
    "in {wrong} of those that are named wrongly.",
    "rests.calibration.factors": "Factor by factor: temperature {temperatures}, fitted on {basis}. Above 1 "
    "probabilities were made more cautious, below 1 more confident.",
    # Small classes
    "balance": "What was done for small classes",
    "balance.none": "Dividing by the classes' shares (logit adjustment) was tried, and no power of it did better.",
    "balance.weights": "weights ({balance})",
    "balance.power": "logit adjustment (power {power})",
    "balance.both": "{first} and {second}",
    "balance.text": "With {how}, {after} of the photos of the smaller half of the classes are found, without it "
    "{before} (mean over those classes; {n:,} photos, {what}). Macro-F1 goes from {f1_before} to {f1_after} (by "
    "{f1_low} to {f1_high} with 95 % confidence), accuracy from {accuracy_before} to {accuracy_after} (by "
    "{accuracy_low} to {accuracy_high} points).",
    "balance.better": "Macro-F1 gains more than chance explains.",
    "balance.worse": "Macro-F1 loses more than chance explains: without it the model would do better.",
    "balance.unsure": "Whether macro-F1 gains these photos cannot tell.",
    "balance.costs": "It costs accuracy.",
    "balance.before": "Recall without",
    "balance.after": "Recall with",
    "balance.each": "The {n} smaller classes one by one",
    # Folds
    "folds": "Fold by fold",
    "folds.each": "The {n} folds one by one",
    "folds.fold": "Fold",
    "folds.photos": "Photos",
    "folds.accuracy": "Accuracy",
    "folds.exact": "All labels right",
    "folds.macro_f1": "Macro F1",
    "folds.mean": "Mean",
    "folds.spread": "Standard deviation",
    "folds.lead": "Each fold was judged by a model that was trained on the others: {mean} on average, with a standard "
    "deviation of {spread} points between the folds.",
    "folds.chance": "Chance alone gives about {chance} points with folds of this size.",
    "folds.shipped.folds": "The shipped model is made of those of the folds: their answers are averaged.",
    "folds.shipped.train_val": "The shipped model was trained again on the training and validation photos together, "
    "with what the folds chose.",
    "folds.shipped.all": "The shipped model was trained again on all photos, with what the folds chose.",
    "folds.shipped.none": "The shipped model was trained on the training part alone.",
    # Members
    "members": "The models behind it",
    "members.own": "Each of these models predicts a part of what is asked, and their answers are put together.",
    "members.gain.better": "Together they are right for {accuracy}, {difference} points more than “{best}” alone "
    "({low} to {high} with 95 % confidence; {n:,} photos, {what}){cost}.",
    "members.gain.none": "“{best}” alone has all the weight: the others gain nothing, and are not shipped.",
    "members.gain.worse": "Together they are right for {accuracy}, {difference} points less than “{best}” alone "
    "({low} to {high} with 95 % confidence; {n:,} photos, {what}){cost}: that one alone would do better.",
    "members.gain.unsure": "Together they are right for {accuracy}, “{best}” alone for {single} ({difference} points, "
    "{low} to {high} with 95 % confidence; {n:,} photos, {what}){cost}: the two cannot be told apart.",
    "members.cost": ", for {times} times the time ({together} against {alone} ms per photo)",
    "members.log_loss": "The log loss is {together} against {alone}.",
    "members.name": "Model",
    "members.what": (
        "{backbone}, {graft}, {px} px, {n} view",
        "{backbone}, {graft}, {px} px, {n} views",
    ),
    "members.targets": "Predicts",
    "members.weights": "Weight",
    "members.accuracy": "Accuracy alone",
    "members.macro_f1": "Macro F1",
    "members.log_loss.alone": "Log loss",
    "members.ms": "ms per photo",
    # What to do next
    "next.weak.values": (
        "Look at {names}, found in fewer than 80 % of its photos: are its labels right, and can its photos be told "
        "from the others?",
        "Look at the {n} values with recall below 80 %, first {names}: are their labels right, and can their photos be "
        "told from the others?",
    ),
    "next.heads": (
        "Try model.labels=heads: {n} combination has fewer than 50 photos, and a head per factor learns from the "
        "photos of all combinations.",
        "Try model.labels=heads: {n} combinations have fewer than 50 photos, and a head per factor learns from the "
        "photos of all combinations.",
    ),
    "next.balance": "Try train.logit_adjustment=auto: of the smaller half of the classes {small} is found, of the "
    "larger half {large}. It costs the large classes something.",
    "next.balance.factor": "Try model.factors.{name}.balance=balanced: of the smaller half of its values {small} is "
    "found, of the larger half {large}. It costs the large ones something.",
}

COMPOSITE_KOREAN: dict[str, Entry] = {
    "labels.scores": "레이블별로 보면 mAP {map}, micro-F1 {micro_f1}, macro-F1 {macro_f1}입니다.",
    "labels.weakest": "가장 약한 레이블은 ‘{name}’입니다. 이 레이블이 있는 사진 {of}장 가운데 {correct}장에 붙였고, "
    "없는 사진 {wrong}장에 잘못 붙였습니다.",
    "labels.average_precision": "AP",
    "labels.threshold": "문턱값",
    "factors": "요소별 성적",
    "factors.lead": "모든 요소가 맞아야 사진을 맞힌 것입니다. 마지막 열은 틀린 사진 가운데 이 요소가 틀린 "
    "비율이며, 여러 요소가 함께 틀릴 수 있습니다.",
    "factors.name": "요소",
    "factors.value": "값",
    "factors.values": "값의 수",
    "factors.mistakes": "오답 중 비율",
    "factors.map": "{name}의 혼동 행렬, 값 {n}개",
    "factors.weak": "약한 요소는 ‘{name}’입니다. 사진의 {share}에서 맞고, 틀린 사진의 {wrong}에서 이 요소가 "
    "틀렸습니다.",
    "factors.unsure": "뚜렷하게 약한 요소는 없습니다. 가장 낮은 것은 ‘{name}’으로, 사진의 {share}에서 맞고 틀린 "
    "사진의 {wrong}에서 이 요소가 틀렸습니다.",
    "rests.calibration.factors": "요소마다 온도 {temperatures} ({basis}에 맞춤). 1보다 크면 확률을 더 조심스럽게, "
    "작으면 더 자신 있게 고쳤습니다.",
    "balance": "작은 클래스를 위해 한 일",
    "balance.none": "클래스 비율로 나누기(로짓 조정)를 시험했지만 더 나은 세기가 없었습니다.",
    "balance.weights": "가중치({balance})",
    "balance.power": "로짓 조정(세기 {power})",
    "balance.both": "{first}와 {second}",
    "balance.text": "{how}: 작은 쪽 절반의 클래스를 평균 {after} 찾아냅니다. 없으면 {before}입니다(사진 {n:,}장, "
    "{what}). macro-F1은 {f1_before}에서 {f1_after:으로} 바뀌고(차이의 95 % 신뢰 구간 {f1_low}~{f1_high}), 정확도는 "
    "{accuracy_before}에서 {accuracy_after:으로} 바뀝니다({accuracy_low}~{accuracy_high}%p).",
    "balance.better": "macro-F1은 우연보다 크게 좋아집니다.",
    "balance.worse": "macro-F1은 우연보다 크게 나빠집니다. 없는 편이 낫습니다.",
    "balance.unsure": "macro-F1이 좋아지는지는 이 사진들로 알 수 없습니다.",
    "balance.costs": "정확도는 떨어집니다.",
    "balance.before": "없을 때 재현율",
    "balance.after": "있을 때 재현율",
    "balance.each": "작은 클래스 {n}개 하나씩 보기",
    "folds": "폴드별 성적",
    "folds.each": "폴드 {n}개 하나씩 보기",
    "folds.fold": "폴드",
    "folds.photos": "사진",
    "folds.accuracy": "정확도",
    "folds.exact": "모든 레이블이 맞음",
    "folds.macro_f1": "Macro F1",
    "folds.mean": "평균",
    "folds.spread": "표준편차",
    "folds.lead": "각 폴드는 나머지로 학습한 모델이 평가했습니다. 평균 {mean}, 폴드 사이의 표준편차 {spread}%p입니다.",
    "folds.chance": "이 크기의 폴드에서는 우연만으로도 약 {chance}%p의 차이가 납니다.",
    "folds.shipped.folds": "내보낸 모델은 폴드 모델들로 만들었습니다. 그 답을 평균합니다.",
    "folds.shipped.train_val": "내보낸 모델은 폴드가 고른 설정으로 학습과 검증 사진 모두에서 다시 학습했습니다.",
    "folds.shipped.all": "내보낸 모델은 폴드가 고른 설정으로 모든 사진에서 다시 학습했습니다.",
    "folds.shipped.none": "내보낸 모델은 학습 사진만으로 학습했습니다.",
    "members": "함께 예측하는 모델",
    "members.own": "각 모델이 답의 한 부분을 예측하고, 그 답을 합칩니다.",
    "members.gain.better": "함께 쓰면 {accuracy}를 맞혀 ‘{best}’ 하나보다 {difference}%p 높습니다(95 % 신뢰 구간 "
    "{low}~{high}; 사진 {n:,}장, {what}){cost}.",
    "members.gain.none": "‘{best}’ 하나가 가중치를 모두 가집니다. 나머지는 도움이 되지 않아 번들에 넣지 않았습니다.",
    "members.gain.worse": "함께 쓰면 {accuracy}를 맞혀 ‘{best}’ 하나보다 {difference}%p 낮습니다(95 % 신뢰 구간 "
    "{low}~{high}; 사진 {n:,}장, {what}){cost}. 그 모델 하나가 더 낫습니다.",
    "members.gain.unsure": "함께 쓰면 {accuracy}, ‘{best}’ 하나는 {single}를 맞힙니다({difference}%p, 95 % 신뢰 구간 "
    "{low}~{high}; 사진 {n:,}장, {what}){cost}. 둘을 구별할 수 없습니다.",
    "members.cost": ", 시간은 {times}배 (사진 한 장에 {together} ms, 하나는 {alone} ms)",
    "members.log_loss": "로그 손실은 {together}, 하나는 {alone}입니다.",
    "members.name": "모델",
    "members.what": "{backbone}, {graft}, {px} px, 보기 {n}번",
    "members.targets": "예측 대상",
    "members.weights": "가중치",
    "members.accuracy": "혼자 정확도",
    "members.macro_f1": "Macro F1",
    "members.log_loss.alone": "로그 손실",
    "members.ms": "사진당 ms",
    "next.weak.values": "재현율이 80 %보다 낮은 값 {n}개를 살펴보십시오. 먼저 {names}: 레이블이 맞는지, 사진으로 "
    "구별할 수 있는지 확인하십시오.",
    "next.heads": "model.labels=heads를 써 보십시오. 조합 {n}개는 사진이 50장보다 적은데, 요소마다 헤드를 두면 모든 "
    "조합의 사진에서 배웁니다.",
    "next.balance": "train.logit_adjustment=auto를 써 보십시오. 작은 쪽 절반의 클래스는 {small}, 큰 쪽 절반은 "
    "{large}를 찾아냅니다. 큰 클래스는 조금 손해를 봅니다.",
    "next.balance.factor": "model.factors.{name}.balance=balanced를 써 보십시오. 작은 쪽 절반의 값은 {small}, 큰 쪽 "
    "절반은 {large}를 찾아냅니다. 큰 쪽은 조금 손해를 봅니다.",
}

LABELS_WORDS = Words(LABELS_ENGLISH, LABELS_KOREAN)
COMPOSITE_WORDS = Words(COMPOSITE_ENGLISH, COMPOSITE_KOREAN)


def composite_texts_in(language: str) -> Texts:
    """Return the texts in "ko", else in English."""
    return texts_in(language, COMPOSITE_WORDS)


def texts_about(evaluation: Mapping[str, Any] | None, language: str) -> Texts:
    """Return the texts of the page, with those that differ where a photo may have several labels."""
    return texts_in(language, *([LABELS_WORDS] if evaluation is not None and has_labels(evaluation) else []))


def has_labels(evaluation: Mapping[str, Any]) -> bool:
    """Return whether a photo may have several labels."""
    return "map" in evaluation["scores"]
