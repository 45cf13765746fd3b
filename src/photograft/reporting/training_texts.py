"""Every text about fine-tuning, in English and Korean; otherwise as in `texts`."""

from __future__ import annotations

from photograft.reporting.texts import ENGLISH, Entry, Texts


def training_texts_in(language: str) -> Texts:
    """Return the texts in `language`; English where there is no such table."""
    if language == "ko":
        return Texts("ko", ENGLISH | TRAINING_ENGLISH | TRAINING_KOREAN)
    return Texts("en", ENGLISH | TRAINING_ENGLISH)


TRAINING_ENGLISH: dict[str, Entry] = {
    # Remarks about the curves
    "remark.diverged": "The loss ran away in epoch {epoch} ({fit}): try a tenth of the learning rate "
    "(train.lr={tenth}).",
    "remark.overfits": "It overfits from epoch {epoch} on: the validation loss rises ({low} to {end}) while the "
    "training loss falls. Fewer epochs, more augmentation or a smaller trained part may help.",
    "remark.overfits.bold": "From epoch {epoch} on the validation loss rises ({low} to {end}) while the training loss "
    "falls, yet its accuracy does not fall: answers stay right but get too bold, which calibration corrects.",
    "remark.early": "The best state was epoch {epoch} of {last}: fewer epochs would do.",
    "remark.improving": "The validation loss was still falling at the end ({before} to {end}): more epochs may help.",
    "remark.unsteady": "The validation curve is unsteady (it jumps by about {noise}): a learning rate below {lr} "
    "may be steadier.",
    "remark.steadier": "A learning rate of {steady} was steadier than {rough}.",
}

TRAINING_KOREAN: dict[str, Entry] = {
    "remark.diverged": "{epoch}번째 에포크({fit})에서 손실이 발산했습니다. 학습률을 10분의 1로 낮춰 보세요"
    "(train.lr={tenth}).",
    "remark.overfits": "{epoch}번째 에포크부터 과적합입니다. 학습 손실은 줄어드는데 검증 손실은 늘어납니다"
    "({low} → {end}). 에포크를 줄이거나, 증강을 늘리거나, 학습하는 부분을 줄이면 나아질 수 있습니다.",
    "remark.overfits.bold": "{epoch}번째 에포크부터 학습 손실은 줄어드는데 검증 손실은 늘어납니다({low} → {end}). "
    "다만 정확도는 떨어지지 않았습니다. 답은 맞지만 확률이 지나치게 커진 것이며, 보정이 이를 바로잡습니다.",
    "remark.early": "가장 좋은 상태는 전체 {last} 에포크 가운데 {epoch}번째였습니다. 에포크를 줄여도 됩니다.",
    "remark.improving": "끝까지 검증 손실이 줄고 있었습니다({before} → {end}). 에포크를 늘리면 나아질 수 있습니다.",
    "remark.unsteady": "검증 곡선이 고르지 않습니다(약 {noise}씩 오르내립니다). 학습률을 {lr}보다 낮추면 더 안정될 수 "
    "있습니다.",
    "remark.steadier": "학습률 {steady}이(가) {rough}보다 안정적이었습니다.",
}
