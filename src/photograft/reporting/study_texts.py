"""Every text of the page of a study, in English and Korean; otherwise as in `texts`."""

from __future__ import annotations

from photograft.reporting.texts import Entry, Texts, Words, texts_in

STUDY_ENGLISH: dict[str, Entry] = {
    "study.page": "{study} · photograft study",
    "study.kicker": "photograft study",
    "study.summary": (
        "{n} variant on {photos:,} photos of {data}.",
        "{n} variants on {photos:,} photos of {data}, divided once for all.",
    ),
    "study.summary.none": "No variant has given a model yet.",
    "study.best": "The highest accuracy is that of {variant}: {share} ({low} to {high} with 95 % confidence, "
    "n = {n:,}).",
    "study.best.full": "The highest accuracy among those that know all {classes} classes is that of {variant}: {share} "
    "({low} to {high} with 95 % confidence, n = {n:,}).",
    "study.classes": "{n:,} classes",
    "study.unfinished": "{done} of {planned} variants are done.",
    "study.failures": "{failed} of {planned} variants gave no model; their rows say why.",
    "study.changed": "Settings were changed for all variants ({changed}), so expected figures do not apply.",
    "study.random": "Random weights: the pretrained ones of {variants} are not on this machine. The score says nothing "
    "about transfer.",
    "study.get": "{recipe}: {how}.",
    "study.twin": "{twin} shows transfer on weights that are here.",
    "study.results": "Results",
    "study.lead": "Each accuracy with its 95 % interval, on photos that the variant had not seen. Figures of the "
    "source are on its own data. Minutes include only what earlier variants had not left in the cache.",
    "study.variant": "Variant",
    "study.accuracy": "Accuracy",
    "study.interval": "0 to 100 %",
    "study.f1": "Macro-F1",
    "study.n": "n",
    "study.trained": "Trained",
    "study.of": "of {parameters}",
    "study.head": "linear head",
    "study.minutes": "Minutes",
    "study.source": "Source, their data: {figure}",
    "study.expected": "Expected: {figure}",
    "study.failed": "Failed: {error}",
    "study.pretrained": "pretrained, no score",
    "study.pairs": "Compared on the same photos",
    "study.pairs.lead": "Differences in accuracy, with 95 % intervals from pairs. Among many comparisons, one in "
    "twenty is expected to stand out by chance.",
    "pair.beats": "{better} beats {worse} by {by} points ({low} to {high}), n = {n:,}.",
    "pair.same": "{a} and {b} are not distinguishable (difference {by} points, {low} to {high}, n = {n:,}).",
    "pair.more": "Macro-F1 {f1} points ({f1_low} to {f1_high}); only the first is right {only_a} times, only the "
    "second {only_b} times (McNemar p {p}).",
    "pair.classes": "They know different classes.",
    "pair.refused": "Not compared: {why}",
    "study.curves": "Curves",
    "study.curves.lead": "Validation loss and accuracy after each epoch. Linear heads have none: they are found at "
    "once.",
    "study.curves.loss": "Validation loss",
    "study.curves.accuracy": "Validation accuracy",
    "study.curves.epoch": "Epoch",
    "study.curves.point": "{name}, epoch {epoch}: {value}",
    "study.sheet": "Pretraining",
    "study.sheet.lead": "Photos above, what the autoencoder made of them below.",
    "study.sheet.facts": "{photos:,} photos, {epochs} epochs. Mean squared error of {held_out:,} photos held out: "
    "{mse} ({mse_low} to {mse_high}; {psnr} dB); of an answer of one mean colour: {mean_colour_mse}.",
    "study.sheet.alt": "Photos and their reconstructions by {variant}",
    "study.details": "Where it is",
    "study.run": "Run",
    "study.footer": "Made by photograft. This page is one file: it holds everything it shows and asks nothing of "
    "the network.",
}

STUDY_KOREAN: dict[str, Entry] = {
    "study.page": "{study} · photograft 비교 실험",
    "study.kicker": "photograft 비교 실험",
    "study.summary": "{data}의 사진 {photos:,}장으로 변형 {n}가지를 같은 분할에서 비교했습니다.",
    "study.summary.none": "아직 모델을 만든 변형이 없습니다.",
    "study.best": "정확도가 가장 높은 것은 {variant}: {share} (95 % 신뢰 구간 {low}~{high}, n = {n:,}).",
    "study.best.full": "{classes}개 클래스를 모두 아는 변형 가운데 정확도가 가장 높은 것은 {variant}: {share} (95 % "
    "신뢰 구간 {low}~{high}, n = {n:,}).",
    "study.classes": "클래스 {n:,}개",
    "study.unfinished": "변형 {planned}가지 가운데 {done}가지가 끝났습니다.",
    "study.failures": "변형 {planned}가지 가운데 {failed}가지는 모델을 만들지 못했습니다. 이유는 그 줄에 있습니다.",
    "study.changed": "모든 변형의 설정을 바꾸었으므로({changed}) 예상 수치는 해당하지 않습니다.",
    "study.random": "무작위 가중치: {variants}의 사전 학습 가중치가 이 컴퓨터에 없습니다. 이 점수는 전이 학습에 대해 "
    "아무것도 말해 주지 않습니다.",
    "study.get": "{recipe}: {how}.",
    "study.twin": "전이 학습 결과는 여기 있는 가중치를 쓰는 {twin}에서 볼 수 있습니다.",
    "study.results": "결과",
    "study.lead": "정확도는 변형이 보지 못한 사진에서 잰 값이며 95 % 신뢰 구간을 함께 적었습니다. 원본 수치는 원본의 "
    "데이터에서 나온 값입니다. 시간에는 앞선 변형이 캐시에 남긴 작업이 들어 있지 않습니다.",
    "study.variant": "변형",
    "study.accuracy": "정확도",
    "study.interval": "0–100 %",
    "study.f1": "매크로 F1",
    "study.n": "n",
    "study.trained": "학습한 수",
    "study.of": "전체 {parameters}",
    "study.head": "선형 헤드",
    "study.minutes": "분",
    "study.source": "원본(원본의 데이터): {figure}",
    "study.expected": "예상: {figure}",
    "study.failed": "실패: {error}",
    "study.pretrained": "사전 학습, 점수 없음",
    "study.pairs": "같은 사진에서 비교",
    "study.pairs.lead": "정확도의 차이와 짝지은 95 % 신뢰 구간입니다. 비교가 많으면 스무 번에 한 번은 우연히 차이가 "
    "나 보입니다.",
    "pair.beats": "{better} > {worse}: {by}%p 차이 ({low}~{high}), n = {n:,}.",
    "pair.same": "{a}, {b}: 구별되지 않습니다(차이 {by}%p, {low}~{high}, n = {n:,}).",
    "pair.more": "매크로 F1 {f1}%p ({f1_low}~{f1_high}). 앞의 것만 맞은 사진 {only_a}장, 뒤의 것만 맞은 사진 "
    "{only_b}장 (McNemar p {p}).",
    "pair.classes": "아는 클래스가 서로 다릅니다.",
    "pair.refused": "비교하지 않음: {why}",
    "study.curves": "곡선",
    "study.curves.lead": "에포크마다 잰 검증 손실과 정확도입니다. 선형 헤드는 한 번에 구하므로 곡선이 없습니다.",
    "study.curves.loss": "검증 손실",
    "study.curves.accuracy": "검증 정확도",
    "study.curves.epoch": "에포크",
    "study.curves.point": "{name}, 에포크 {epoch}: {value}",
    "study.sheet": "사전 학습",
    "study.sheet.lead": "위는 사진, 아래는 오토인코더가 복원한 것입니다.",
    "study.sheet.facts": "사진 {photos:,}장, {epochs}에포크. 떼어 둔 사진 {held_out:,}장의 평균 제곱 오차: {mse} "
    "({mse_low}~{mse_high}; {psnr} dB). 평균 색 하나로 답할 때: {mean_colour_mse}.",
    "study.sheet.alt": "{variant}: 사진과 복원",
    "study.details": "저장된 곳",
    "study.run": "실행",
    "study.footer": "photograft가 만들었습니다. 이 페이지는 파일 하나이며, 보이는 모든 것을 담고 있고 네트워크를 "
    "쓰지 않습니다.",
}

STUDY_WORDS = Words(STUDY_ENGLISH, STUDY_KOREAN)


def study_texts_in(language: str) -> Texts:
    """Return the texts in "ko", else in English."""
    return texts_in(language, STUDY_WORDS)
