"""Every text of the page of a pretrained encoder, in English and Korean; otherwise as in `texts`."""

from __future__ import annotations

from photograft.reporting.texts import Entry, Texts, Words, texts_in
from photograft.reporting.training_texts import TRAINING_WORDS

PRETRAIN_ENGLISH: dict[str, Entry] = {
    "pretrain.page": "{run} · photograft pretrain",
    "pretrain.kicker": "photograft pretrain",
    "pretrain.better": "It gives unseen photos back better than a photo shrunk to a quarter",
    "pretrain.between": "It gives unseen photos back worse than a photo shrunk to a quarter",
    "pretrain.worse": "It gives unseen photos back no better than their mean colour",
    "pretrain.lead": "{backbone} was trained on {n:,} photos at {px} px, without labels. Of {held:,} photos "
    "that it was "
    "never trained on, the reconstruction is off by a mean squared error of {mse} ({low} to {high} with 95 % "
    "confidence), on colours from 0 to 1: a peak signal-to-noise ratio of {db} dB.",
    "pretrain.sheet": "Photos and their reconstructions",
    "pretrain.sheet.text": "Each photo as the network gets it, its reconstruction below. Those with a blue "
    "frame were "
    "held out: the network was never trained on them.",
    "pretrain.sheet.alt": "Photos above, their reconstructions below",
    "pretrain.compare": "What the number means",
    "pretrain.what": "Held-out photos",
    "pretrain.mse": "Mean squared error",
    "pretrain.range": "95 % interval",
    "pretrain.db": "dB",
    "pretrain.model": "This autoencoder",
    "pretrain.mean_colour": "Mean colour of each photo",
    "pretrain.quarter": "Shrunk to a quarter of its sides, and made larger again (bicubic)",
    "pretrain.trained": "This autoencoder, on photos it was trained on",
    "pretrain.warning": "The encoder keeps {kept:,} values of a photo of {given:,}. A low error therefore says that "
    "little gets lost, and not that the classes of your photos lie apart: only a classifier trained on it can say "
    "that, against the same network from random weights, on the same split.",
    "pretrain.curves": "Errors by epoch",
    "pretrain.curves.text": "Training photos are judged while they train, held-out ones after each epoch.",
    "pretrain.photos": "Photos",
    "pretrain.photos.train": "trained on",
    "pretrain.photos.held_out": "held out",
    "pretrain.photos.left_out": "left out, since they are for testing",
    "pretrain.photos.rejected": "could not be used",
    "pretrain.next": "Next",
    "pretrain.next.text": "Train a classifier that begins with this encoder:",
    "pretrain.unsplit": "No test part was named. Test photos of a later run have been seen here, though without "
    "their "
    "labels: for a stricter test, make a split first (photograft split), and give it to both with split.file.",
    "pretrain.settings": "Settings",
    "pretrain.epochs": ("{n} epoch in {time}", "{n} epochs in {time}"),
    "pretrain.footer": "Made by photograft. This page is one file: it holds everything it shows and asks nothing of "
    "the network.",
}

PRETRAIN_KOREAN: dict[str, Entry] = {
    "pretrain.page": "{run} · photograft 사전 학습",
    "pretrain.kicker": "photograft 사전 학습",
    "pretrain.better": "처음 보는 사진을 4분의 1로 줄인 사진보다 잘 되살립니다",
    "pretrain.between": "처음 보는 사진을 4분의 1로 줄인 사진만큼 되살리지 못합니다",
    "pretrain.worse": "처음 보는 사진을 평균 색 하나보다 잘 되살리지 못합니다",
    "pretrain.lead": "{backbone:을} 레이블 없이 사진 {n:,}장으로 {px} px에서 학습했습니다. 학습에 쓰지 않은 "
    "사진 {held:,}장에서 "
    "되살린 사진의 평균 제곱 오차는 {mse}입니다(95 % 신뢰 구간 {low}~{high}, 색은 0~1). 최대 신호 대 잡음비로는 "
    "{db} dB입니다.",
    "pretrain.sheet": "사진과 되살린 사진",
    "pretrain.sheet.text": "위는 신경망이 받은 사진, 아래는 되살린 사진입니다. 파란 테두리의 사진은 따로 떼어 두어 "
    "학습에 쓰지 않았습니다.",
    "pretrain.sheet.alt": "위는 사진, 아래는 되살린 사진",
    "pretrain.compare": "이 숫자의 뜻",
    "pretrain.what": "떼어 둔 사진",
    "pretrain.mse": "평균 제곱 오차",
    "pretrain.range": "95 % 구간",
    "pretrain.db": "dB",
    "pretrain.model": "이 오토인코더",
    "pretrain.mean_colour": "사진마다 평균 색 하나",
    "pretrain.quarter": "가로세로를 4분의 1로 줄였다가 다시 늘린 사진(bicubic)",
    "pretrain.trained": "이 오토인코더, 학습에 쓴 사진에서",
    "pretrain.warning": "인코더는 값 {given:,}개인 사진에서 값 {kept:,}개를 남깁니다. 그래서 오차가 작다는 것은 "
    "잃는 것이 적다는 "
    "뜻이지, 클래스가 잘 나뉜다는 뜻이 아닙니다. 그것은 이 인코더로 학습한 분류기를 같은 분할에서 무작위 "
    "가중치로 시작한 같은 "
    "신경망과 견주어야만 알 수 있습니다.",
    "pretrain.curves": "에포크별 오차",
    "pretrain.curves.text": "학습 사진은 학습하는 동안, 떼어 둔 사진은 에포크가 끝날 때마다 잽니다.",
    "pretrain.photos": "사진",
    "pretrain.photos.train": "학습에 사용",
    "pretrain.photos.held_out": "떼어 둠",
    "pretrain.photos.left_out": "테스트용이라 제외",
    "pretrain.photos.rejected": "사용 불가",
    "pretrain.next": "다음",
    "pretrain.next.text": "이 인코더에서 시작하는 분류기를 학습합니다.",
    "pretrain.unsplit": "테스트 파트를 알려 주지 않았습니다. 나중에 테스트할 사진을 레이블 없이 이미 "
    "보았습니다. 더 엄격하게 "
    "시험하려면 먼저 분할을 만들고(photograft split) split.file로 두 번 모두 주십시오.",
    "pretrain.settings": "설정",
    "pretrain.epochs": "{n} 에포크, {time}",
    "pretrain.footer": "photograft가 만들었습니다. 이 페이지는 파일 하나이며, 보이는 모든 것을 담고 있고 네트워크를 "
    "쓰지 않습니다.",
}

PRETRAIN_WORDS = Words(PRETRAIN_ENGLISH, PRETRAIN_KOREAN)


def pretrain_texts_in(language: str) -> Texts:
    """Return the texts in "ko", else in English."""
    return texts_in(language, TRAINING_WORDS, PRETRAIN_WORDS)
