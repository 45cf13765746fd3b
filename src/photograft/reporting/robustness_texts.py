"""Every text of the robustness card, in English and Korean; otherwise as in `texts`."""

from __future__ import annotations

from photograft.reporting.texts import Entry, Texts, Words, texts_in

_TAKE_CARE = (
    "No setting makes up for it: take such photos again, or add some, with their labels, to the training photos"
)

ROBUSTNESS_ENGLISH: dict[str, Entry] = {
    "robustness": "On worse photos",
    "unchanged": "As it is",
    "kind.noise": "Noise",
    "kind.defocus": "Blur (out of focus)",
    "kind.motion": "Motion blur",
    "kind.jpeg": "Strong JPEG compression",
    "kind.dark": "Low light",
    "kind.fog": "Haze (low contrast)",
    "kind.small": "Low resolution",
    "kind.cast": "A colour cast",
    "kind.noise.within": "noise",
    "kind.defocus.within": "blur (out of focus)",
    "kind.motion.within": "motion blur",
    "kind.jpeg.within": "strong JPEG compression",
    "kind.dark.within": "low light",
    "kind.fog.within": "haze",
    "kind.small.within": "low resolution",
    "kind.cast.within": "a colour cast",
    "strength.1": "mild",
    "strength.2": "middle",
    "strength.3": "strong",
    "change": "Points lost",
    # What costs most
    "costs": "{name} costs {points} points of accuracy ({low} to {high} with 95 % confidence)",
    "also": "{name} {points}",
    "comma": ", ",
    "rest.little": "; the others change little.",
    "rest.less": "; the others cost {points} at most.",
    "only.strong": "At middle strength nothing costs much. At the strongest: {said}",
    "nothing": "None of the eight changes costs accuracy that {n:,} photos can show.",
    "left_out.photos": "How the model does on worse photos was not tried: {n} judged photos can be read, and fewer "
    "than 20 tell nothing.",
    "left_out.time": "How the model does on worse photos was not tried: the time of report.robustness_s is enough for "
    "{n} photos, and fewer than 20 tell nothing. photograft report RUN --robustness SECONDS takes longer.",
    # What to do
    "do.noise": "Noise comes with little light: more light, or a steadier camera with a longer exposure. "
    + _TAKE_CARE
    + ".",
    "do.defocus": "Run photograft check to find blurred photos. " + _TAKE_CARE + ".",
    "do.motion": "Run photograft check to find blurred photos. " + _TAKE_CARE + ".",
    "do.jpeg": "Send photos as they are: messengers and web forms compress them again. " + _TAKE_CARE + ".",
    "do.dark": "If such photos will come: more light, or fine-tune (--quality best) with augment.brightness=0.6.",
    "do.fog": "If such photos will come: clean the lens, or fine-tune (--quality best) with augment.contrast=0.6.",
    "do.small": "Send photos in full size, not as previews. " + _TAKE_CARE + ".",
    "do.cast": "If such photos will come: set the white balance of the camera, or fine-tune (--quality best) with "
    "augment.hue=0.1 and augment.saturation=0.5, where colour is not what tells the classes apart.",
    # What it rests on
    "basis.some": "{n:,} of the {of:,} {what}, drawn evenly from the classes; as they are, {accuracy} of them are "
    "right (one view of each).",
    "basis.all": "All {n:,} {what}; as they are, {accuracy} of them are right (one view of each).",
    "basis.seen": "The model has learnt from these photos, so only the loss counts here.",
    "of.test": "test photos",
    "of.out-of-fold": "photos of the cross-validation",
    "of.validation": "validation photos",
    "table": "Points of accuracy lost against the same photos unchanged. Grey: no more than chance explains.",
    "more": "Texture or shape, and turned photos",
    # Texture and shape
    "texture": "Texture or shape: cut into 16 pieces that change places {shuffled} of the photos stay right, drawn as "
    "outlines {outlined}; as they are {unchanged}.",
    "texture.texture": "Colour and texture alone carry most of it, shape less.",
    "texture.shape": "Shape carries more than colour and texture.",
    "texture.both": "Neither alone is enough: it needs shape together with colour or texture.",
    "texture.unsure": "Which of the two counts for more these photos cannot tell.",
    # Turned photos
    "turned.alike": (
        "Turned photos: stored turned by 90, 180 or 270 degrees with an EXIF note of it, the {n} photo tried gives "
        "the same answer.",
        "Turned photos: stored turned by 90, 180 or 270 degrees with an EXIF note of it, all {n} photos tried give the "
        "same answer.",
    ),
    "turned.other": "Turned photos: stored turned with an EXIF note of it, only {alike} of {n} photos give the same "
    "pixels. Please report this.",
    "unread.costs": "Where the note is lost, a turn costs {points} points ({low} to {high}).",
    "unread.little": "Where the note is lost, a turn changes little ({low} to {high} points).",
    "unread.unsure": "Whether a turn costs anything where the note is lost these photos cannot tell ({low} to "
    "{high} points).",
    "example": "One photo at middle strength, and what it is named. Its label: {label}",
    "example.alt": "{title}: named {named}",
}

ROBUSTNESS_KOREAN: dict[str, Entry] = {
    "robustness": "더 나쁜 사진에서",
    "unchanged": "그대로",
    "kind.noise": "노이즈",
    "kind.defocus": "초점 흐림",
    "kind.motion": "흔들림",
    "kind.jpeg": "심한 JPEG 압축",
    "kind.dark": "어두운 빛",
    "kind.fog": "뿌연 사진(낮은 대비)",
    "kind.small": "낮은 해상도",
    "kind.cast": "색 치우침",
    "kind.noise.within": "노이즈",
    "kind.defocus.within": "초점 흐림",
    "kind.motion.within": "흔들림",
    "kind.jpeg.within": "심한 JPEG 압축",
    "kind.dark.within": "어두운 빛",
    "kind.fog.within": "뿌연 사진",
    "kind.small.within": "낮은 해상도",
    "kind.cast.within": "색 치우침",
    "strength.1": "약함",
    "strength.2": "중간",
    "strength.3": "강함",
    "change": "떨어지는 정확도(%p)",
    "costs": "{name}: 정확도가 {points}%p 떨어집니다(95 % 신뢰 구간 {low}~{high})",
    "also": "{name} {points}%p",
    "comma": ", ",
    "rest.little": ". 나머지는 거의 바뀌지 않습니다.",
    "rest.less": ". 나머지는 많아야 {points}%p입니다.",
    "only.strong": "중간 세기에서는 크게 잃는 것이 없습니다. 가장 강할 때는 {said}",
    "nothing": "여덟 가지 변화 가운데 사진 {n:,}장으로 알 수 있을 만큼 정확도를 낮추는 것은 없습니다.",
    "left_out.photos": "더 나쁜 사진에서 어떤지는 시험하지 않았습니다. 읽을 수 있는 평가 사진이 {n}장인데, 20장보다 "
    "적으면 알 수 있는 것이 없습니다.",
    "left_out.time": "더 나쁜 사진에서 어떤지는 시험하지 않았습니다. report.robustness_s의 시간은 사진 {n}장에 "
    "충분한데, 20장보다 적으면 알 수 있는 것이 없습니다. photograft report RUN --robustness SECONDS로 더 오래 "
    "시험할 수 있습니다.",
    "do.noise": "노이즈는 빛이 모자라서 생깁니다. 더 밝게 찍거나 카메라를 고정하십시오. 설정으로 메울 수는 없으니 다시 "
    "찍거나, 그런 사진을 레이블과 함께 학습 사진에 더하십시오.",
    "do.defocus": "흐린 사진은 photograft check가 찾습니다. 설정으로 메울 수는 없으니 다시 찍거나, 그런 사진을 "
    "레이블과 함께 학습 사진에 더하십시오.",
    "do.motion": "흐린 사진은 photograft check가 찾습니다. 설정으로 메울 수는 없으니 다시 찍거나, 그런 사진을 "
    "레이블과 함께 학습 사진에 더하십시오.",
    "do.jpeg": "사진을 그대로 보내십시오. 메신저와 웹 양식은 다시 압축합니다. 아니면 그런 사진을 레이블과 함께 학습 "
    "사진에 더하십시오.",
    "do.dark": "그런 사진이 올 것 같으면 더 밝게 찍거나, augment.brightness=0.6으로 미세 조정(--quality best)하십시오.",
    "do.fog": "그런 사진이 올 것 같으면 렌즈를 닦거나, augment.contrast=0.6으로 미세 조정(--quality best)하십시오.",
    "do.small": "미리보기가 아니라 원래 크기로 보내십시오. 아니면 그런 사진을 레이블과 함께 학습 사진에 더하십시오.",
    "do.cast": "그런 사진이 올 것 같으면 카메라의 화이트 밸런스를 맞추거나, 색이 클래스를 가르는 것이 아니라면 "
    "augment.hue=0.1과 augment.saturation=0.5로 미세 조정(--quality best)하십시오.",
    "basis.some": "{what} {of:,}장 가운데 클래스마다 고르게 뽑은 {n:,}장입니다. 그대로는 {accuracy}가 맞습니다 "
    "(한 장을 한 번씩만 봄).",
    "basis.all": "{what} {n:,}장 모두입니다. 그대로는 {accuracy}가 맞습니다(한 장을 한 번씩만 봄).",
    "basis.seen": "모델이 이 사진들로 학습했으므로 여기서는 떨어지는 정도만 뜻이 있습니다.",
    "of.test": "테스트 사진",
    "of.out-of-fold": "교차 검증 사진",
    "of.validation": "검증 사진",
    "table": "바꾸지 않은 같은 사진에 견주어 떨어지는 정확도(%p)입니다. 회색은 우연으로 설명되는 범위입니다.",
    "more": "질감과 모양, 돌려 저장한 사진",
    "texture": "질감인가 모양인가: 16조각으로 잘라 자리를 바꾸면 사진의 {shuffled}, 윤곽선만 그리면 {outlined}가 "
    "맞습니다. 그대로는 {unchanged}입니다.",
    "texture.texture": "색과 질감만으로 대부분 맞힙니다. 모양은 덜 봅니다.",
    "texture.shape": "색과 질감보다 모양을 더 봅니다.",
    "texture.both": "어느 하나만으로는 모자랍니다. 모양을 색이나 질감과 함께 봅니다.",
    "texture.unsure": "둘 가운데 무엇을 더 보는지는 이 사진들로 알 수 없습니다.",
    "turned.alike": "돌려 저장한 사진: 90, 180, 270도 돌려 저장하고 EXIF에 적어 둔 사진 {n}장 모두 답이 같습니다.",
    "turned.other": "돌려 저장한 사진: EXIF에 적어 둔 사진 {n}장 가운데 {alike}장만 픽셀이 같습니다. 개발자에게 알려 "
    "주십시오.",
    "unread.costs": "그 정보가 없어지면 정확도가 {points}%p 떨어집니다({low}~{high}).",
    "unread.little": "그 정보가 없어져도 거의 바뀌지 않습니다({low}~{high}%p).",
    "unread.unsure": "그 정보가 없어질 때 잃는 것이 있는지는 이 사진들로 알 수 없습니다({low}~{high}%p).",
    "example": "중간 세기의 사진 한 장과 모델이 붙인 이름. 레이블: {label}",
    "example.alt": "{title}: {named}",
}

ROBUSTNESS_WORDS = Words(ROBUSTNESS_ENGLISH, ROBUSTNESS_KOREAN)


def robustness_texts_in(language: str) -> Texts:
    """Return the texts in "ko", else in English."""
    return texts_in(language, ROBUSTNESS_WORDS)
