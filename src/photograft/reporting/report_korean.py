"""Every text of the report in Korean, with the keys of `report_english`."""

from __future__ import annotations

REPORT_KOREAN: dict[str, str | tuple[str, str]] = {
    # The result
    "title": "{run} · photograft 보고서",
    "kicker": "photograft 보고서",
    "right": "정답",
    "right.few": "{n}장 중 {correct}장",
    "result.none": "판정할 수 있는 사진이 없어 점수가 없습니다.",
    "result.test": "처음 보는 사진 {n:,}장에서 이 모델은 100장 중 {share}장의 클래스를 맞혔습니다(95 % 신뢰 구간 "
    "{low}~{high}).",
    "result.test.few": "처음 보는 사진 {n}장에서 이 모델은 {correct}장의 클래스를 맞혔습니다.",
    "result.folds": "모든 사진을 그 사진 없이 학습한 모델로 판정하는 교차 검증에서 100장 중 {share}장을 맞혔습니다"
    "(사진 {n:,}장, 95 % 신뢰 구간 {low}~{high}).",
    "result.folds.few": "모든 사진을 그 사진 없이 학습한 모델로 판정하는 교차 검증에서 {n}장 중 {correct}장을 "
    "맞혔습니다.",
    "result.other": "사진 {n:,}장({what})에서 이 모델은 100장 중 {share}장의 클래스를 맞혔습니다(95 % 신뢰 구간 "
    "{low}~{high}).",
    "result.other.few": "사진 {n}장({what})에서 이 모델은 {correct}장의 클래스를 맞혔습니다.",
    "result.few": "이 수로는 판단하기 어렵습니다. 실제 비율은 100장 중 {low}장에서 {high}장 사이 어디든 될 수 "
    "있습니다.",
    "weakest.recall": "가장 약한 클래스는 ‘{name}’입니다. {of}장 중 {correct}장을 찾았고, 나머지는 {other:으로} "
    "가장 많이 잘못 보았습니다.",
    "weakest.precision": "가장 약한 클래스는 ‘{name}’입니다. 이 이름을 붙인 {of}장 중 {correct}장이 맞았고, 나머지는 "
    "실제로 ‘{other}’인 경우가 가장 많았습니다.",
    "weakest.never": "한 번도 알아보지 못한 클래스: {names}.",
    "weakest.never.many": "클래스 {of:,}개 중 {n:,}개는 한 번도 알아보지 못했습니다.",
    "weakest.none": "어느 클래스에서도 틀리지 않았습니다.",
    # What the number rests on
    "contents": "이 페이지의 내용",
    "question.use": "써도 됩니까?",
    "question.fails": "어디에서 틀립니까?",
    "question.do": "다음에 무엇을 합니까?",
    "question.made": "어떻게 만들었습니까?",
    "rests": "이 수치의 근거",
    "rests.photos": "판정한 사진",
    "rests.photos.test": "사용할 수 있는 사진 {used:,}장 중 {n:,}장입니다. 학습 전에 떼어 두었다가 맨 마지막에만 "
    "보았습니다.",
    "rests.photos.folds": "사용할 수 있는 사진 {used:,}장 중 {n:,}장입니다. {folds}번의 차례 가운데 한 번씩, 그 "
    "사진으로 학습하지 않은 모델이 판정했습니다. 따로 떼어 둔 테스트 사진은 없습니다.",
    "rests.photos.other": "사진 {n:,}장({what})입니다.",
    "rests.interval": "확실한 정도",
    "rests.interval.text": "이런 사진에서 실제 비율은 95 % 신뢰도로 {low}에서 {high} 사이에 있습니다(윌슨 구간).",
    "rests.guess": "찍었을 때와 비교",
    "rests.guess.text": "가장 많은 클래스인 ‘{name}’만 늘 답해도 {share}는 맞습니다.",
    "rests.guess.equal": "늘 같은 답을 하면 많아야 {share}가 맞습니다.",
    "rests.split": "나눈 방법",
    "rests.split.parts": "학습 {train:,}장, 검증 {val:,}장, 테스트 {test:,}장입니다.",
    "rests.split.leaked": "사진 {n:,}장은 중복이거나 같은 그룹인 사진이 다른 파트에 있습니다.",
    "rests.opened": "테스트 사진을 연 횟수",
    "rests.opened.text": ("이 보고서를 위해 한 번 열었습니다.", "모든 실행을 합해 지금까지 {n}번 열었습니다."),
    "rests.opened.many": "모든 실행을 합해 지금까지 {n}번 열었습니다. 볼 때마다 바로 이 사진들에 맞는 쪽을 고르게 "
    "되므로 점수가 실제보다 높을 가능성이 큽니다.",
    "rests.calibration": "제시하는 확률",
    "rests.calibration.none": "보정하지 않았습니다.",
    "rests.calibration.softer": "더 조심스럽게 보정했습니다(온도 {temperature:.2f}, 기준: {basis}).",
    "rests.calibration.sharper": "더 자신 있게 보정했습니다(온도 {temperature:.2f}, 기준: {basis}).",
    "rests.calibration.same": "거의 그대로 두었습니다(온도 {temperature:.2f}, 기준: {basis}).",
    "rests.calibration.folds": "폴드 밖 예측",
    "rests.calibration.val": "검증 사진",
    "rests.second": "다른 평가와 비교",
    "rests.second.agrees": "{what}: 사진 {n:,}장에서 {share}({low}~{high})로, 위의 결과와 일치합니다.",
    "rests.second.differs": "{what}: 사진 {n:,}장에서 {share}({low}~{high})로, 우연으로 설명하기 어려울 만큼 다릅니다.",
    "rests.repeats": "폴드에 따라 달라지는 정도",
    "rests.repeats.text": "폴드를 {n}번 나누어 잰 교차 검증 정확도는 평균 {mean}, 최소 {low}, 최대 {high}입니다.",
    "what.test": "테스트",
    "what.test with leaks": "중복이거나 같은 그룹인 사진이 학습에 쓰인 테스트 사진까지 포함",
    "what.out-of-fold": "교차 검증",
    "what.val": "검증",
    "what.validation": "검증",
    "what.test without leaks": "중복이 학습에 쓰이지 않은 테스트",
    "notice": "유의하십시오",
    # Classes
    "classes": "클래스별 성적",
    "classes.lead": "약한 것부터 적었습니다. 재현율은 이 클래스의 사진 가운데 찾아낸 비율, 정밀도는 이 이름을 붙인 "
    "사진 가운데 맞은 비율입니다. F1은 둘을 합친 값입니다.",
    "classes.name": "클래스",
    "classes.photos": "사진",
    "classes.support": "판정",
    "classes.precision": "정밀도",
    "classes.recall": "재현율",
    "classes.f1": "F1",
    "classes.all": "클래스 {n}개 모두",
    "classes.empty": "사진이 없어 판정하지 않음",
    "classes.parts": "파트별 사진 수",
    # Slices
    "slices": "더 잘하는 곳과 못하는 곳",
    "slices.lead": "열의 값별 정확도이며 낮은 것부터 적었습니다. 세로선은 전체 사진의 정확도입니다. 95 % 신뢰 구간 "
    "전체가 그 선보다 아래에 있는 값에 표시했습니다. 값이 많으면 우연히 그런 것도 있습니다.",
    "slices.photos": "사진",
    "slices.accuracy": "정확도",
    "slices.interval": "95 % 신뢰 구간",
    "slices.worse": "뚜렷하게 낮음",
    # Confusion
    "confusion": "무엇을 무엇으로 잘못 보는가",
    "confusion.lead": "행은 실제 클래스, 열은 모델이 붙인 이름입니다. 대각선의 파란색은 맞은 것, 주황색은 틀린 것이며, "
    "색이 진할수록 그 행에서 차지하는 비율이 큽니다.",
    "confusion.pairs": "가장 자주 혼동한 쌍",
    "confusion.pair": "실제 ‘{label}’ → 답 ‘{predicted}’: 사진 {n:,}장",
    "confusion.part": "가장 많이 혼동한 클래스 {shown}개입니다. 한 행에는 여기에 나오지 않는 이름이 붙은 사진도 "
    "들어 있습니다.",
    "confusion.whole": "클래스 {n}개 전체의 혼동 행렬",
    "confusion.huge": "클래스가 {n}개라 전체 혼동 행렬은 이 페이지에 담기에 너무 큽니다. confusion.csv와 "
    "confusion.svg를 보십시오.",
    # Reliability
    "reliability": "제시하는 확률을 믿을 수 있습니까?",
    "reliability.good": "예. 제시한 확률과 실제로 맞은 비율의 차이가 평균 {gap}%p입니다. 90 %라고 하면 100장 중 90장쯤 "
    "맞는다고 보면 됩니다.",
    "reliability.chance": "사진 {n:,}장으로 알 수 있는 한은 그렇습니다. 제시한 확률과 실제로 맞은 비율의 차이가 평균 "
    "{gap}%p이며, 우연으로 설명되는 범위입니다.",
    "reliability.over": "낮추어 보아야 합니다. 실제보다 평균 {gap}%p 높게 제시합니다(제시 {stated}, 실제 {true}).",
    "reliability.under": "제시하는 것보다 실제가 더 낫습니다. 제시한 것보다 평균 {gap}%p 더 자주 맞습니다(제시 "
    "{stated}, 실제 {true}).",
    "reliability.mixed": "대략만 믿을 수 있습니다. 제시한 확률과 실제로 맞은 비율이 위아래로 평균 {gap}%p 차이 납니다.",
    "reliability.few": "사진 {n}장으로는 아직 알 수 없습니다. 그림은 참고만 하십시오.",
    "reliability.none": "판정한 사진이 없어 보여 줄 것이 없습니다.",
    "reliability.reading": "점이 점선 위에 있으면 확률이 정직한 것이고, 점선보다 아래에 있으면 지나치게 자신하는 "
    "것입니다. 세로선은 95 % 신뢰 구간, 막대는 사진 수입니다.",
    # Mistakes
    "mistakes": "가장 큰 실수",
    "mistakes.lead": (
        "하나뿐입니다.",
        "{n}개 모두이며 가장 확신한 것부터입니다. 답이 아니라 레이블이 틀린 것도 있을 수 있으니 살펴보십시오.",
    ),
    "mistakes.first": "{n:,}개 가운데 가장 확신한 {shown}개입니다. 답이 아니라 레이블이 틀린 것도 있을 수 있으니 "
    "살펴보십시오.",
    "mistakes.more": "{n}개 더",
    "mistakes.none": "없습니다.",
    "mistakes.hidden": "{n:,}개 있지만, 설정에 따라 이 보고서에는 표시하지 않습니다.",
    "mistakes.label": "레이블",
    "mistakes.predicted": "답",
    "mistakes.photo": "사진",
    "mistakes.missing": "사진 없음",
    "mistakes.alt": "레이블 {label}, 답 {predicted}",
    # Data
    "data": "사진에서 발견한 것",
    "data.counts": "파일 {found:,}개를 찾아 {used:,}개를 사용하고 {rejected:,}개는 사용하지 못했습니다.",
    "data.excluded": "편집으로 {n:,}개를 제외했습니다.",
    "data.rejected": "사용할 수 없는 파일 {n:,}개",
    "data.rejected.remedy": "바꾸거나 지우십시오. 이 파일들 없이 학습했습니다.",
    "issue.label_conflict": "레이블이 서로 다른 같은 사진 {n:,}묶음",
    "issue.exact_duplicate": "두 번 이상 들어 있는 사진 {n:,}장",
    "issue.near_duplicate": "거의 같은 사진 {n:,}묶음",
    "issue.other": "{kind}: {n:,}",
    "data.clean": "손상된 파일, 중복 사진, 서로 다른 레이블을 발견하지 못했습니다.",
    "data.more": "그 밖에 {n:,}개",
    "data.rest": "{n:,}개 더",
    "verdict.empty": "빈 파일",
    "verdict.not_an_image": "이미지가 아님",
    "verdict.unsupported_format": "지원하지 않는 형식",
    "verdict.truncated": "잘린 파일",
    "verdict.corrupt": "손상된 파일",
    "verdict.too_many_pixels": "픽셀이 너무 많음",
    "verdict.too_large_file": "파일이 너무 큼",
    "verdict.timeout": "너무 오래 걸림",
    "verdict.unreadable": "읽을 수 없음",
    # What to do next
    "next": "다음에 할 일",
    "next.nothing": "눈에 띄는 문제가 없습니다. 실제로 사용할 곳에서 찍은 새 사진으로 시험해 보십시오. 그것이 진짜 "
    "시험입니다.",
    "next.conflict": "비슷하지만 레이블이 서로 다른 사진 {n:,}묶음을 정리하십시오. 모델은 둘 다 배울 수 없습니다.",
    "next.leaked": "중복이거나 같은 그룹인 사진이 다른 파트에 있는 사진 {n:,}장을 옮기거나 split.on_leak=drop을 "
    "설정하십시오. 그때까지는 점수가 실제보다 높게 나옵니다.",
    "next.empty": "판정할 사진이 없는 클래스의 사진을 더하십시오: {names}.",
    "next.small": "사진이 50장보다 적어 배울 것이 적은 클래스의 사진을 더 모으십시오: {names}.",
    "next.small.most": "사진을 더 모으십시오. 클래스 {of:,}개 중 {n:,}개는 사진이 {limit}장보다 적어 배울 것이 "
    "적습니다.",
    "next.small.all": "사진을 더 모으십시오. 모든 클래스의 사진이 {limit}장보다 적어 배울 것이 적습니다.",
    "next.labels": "틀렸을 가능성이 높은 레이블 {n:,}개를 가장 의심스러운 것부터 살펴보십시오: photograft review RUN.",
    "next.labels.weak": "모델이 의심하는 레이블 {n:,}개를 앞에서부터 살펴보십시오: photograft review RUN.",
    "next.interval": "이 점수에 의지하기 전에 더 많은 사진으로 시험하십시오. 위아래로 {width}%p 다를 수 있습니다. "
    "사진이 {wanted:,}장쯤이면 {target}%p로 줄어듭니다.",
    "next.pair": "‘{a}’ 사진과 ‘{b}’ 사진을 나란히 놓고 살펴보십시오. 실수 {all:,}개 중 {n:,}개가 이 둘 사이에서 "
    "나왔습니다. 둘을 구별하는 부분이 더 잘 보이는 사진이 가장 도움이 됩니다.",
    "next.weak": "재현율이 80 %보다 낮은 클래스 {n}개를 살펴보십시오. 먼저 {names}: 레이블이 맞습니까, 사진들이 서로 "
    "비슷하게 찍혔습니까?",
    "next.weak.most": "사진을 어떻게 찍는지 살펴보십시오. 클래스 {of:,}개 중 {n:,}개의 재현율이 80 %보다 낮으므로, "
    "클래스를 구별하는 부분이 사진에 보이지 않을 수 있습니다.",
    "next.worse": "{name:이} 있는 사진이 들어올 수 있다면 그런 사진을 레이블과 함께 학습 사진에 더하십시오. 중간 "
    "세기에서 정확도가 {points}%p 떨어집니다({low}~{high}).",
    "next.strangers": "비슷해 보이는 다른 것이 찍힐 수 있다면 그것을 따로 클래스로 더하십시오. 모델에게 보여 주지 않은 "
    "클래스가 아는 클래스보다 낯설게 보인 것은 100쌍 중 {share}쌍뿐이었습니다.",
    "next.slice": "{column} 값이 ‘{value}’인 학습 사진을 더하십시오. 이런 사진 {n:,}장의 정확도는 {share}({low}~{high})"
    "이고 전체 사진의 정확도는 {all}입니다.",
    "next.calibration": "제시하는 확률만 보고 결정하지 마십시오. 평균 {gap}%p 어긋납니다.",
    "next.opened": "새 테스트 사진을 모으십시오. 지금 것은 {n}번 열었습니다.",
    "next.rejected": "사용할 수 없는 파일 {n:,}개를 바꾸거나 지우십시오.",
    "next.quality": "--quality good으로 다시 학습하십시오. 대개 더 정확하고 몇 분이면 됩니다.",
    "list.quoted": "‘{name}’",
    "list.more": "{names} 외 {n}개",
    "list.and": "{names}, {last}",
    # Settings and versions
    "details": "설정과 버전",
    "details.scores": "모든 점수",
    "details.score": "점수",
    "details.model": "모델",
    "details.settings": "사용한 설정",
    "details.versions": "버전",
    "details.seconds": "시간",
    "seconds.value": "{seconds:.1f}초",
    "seconds.total": "합계",
    "score.n": "사진",
    "score.accuracy": "정확도",
    "score.accuracy_low": "정확도, 95 % 하한",
    "score.accuracy_high": "정확도, 95 % 상한",
    "score.balanced_accuracy": "균형 정확도(재현율의 평균)",
    "score.macro_f1": "매크로 F1(클래스 평균)",
    "score.micro_f1": "마이크로 F1(모든 판정을 함께)",
    "score.map": "mAP(평균 정밀도의 평균)",
    "score.log_loss": "로그 손실",
    "score.ece": "보정 오차(ECE)",
    "score.ece_low": "보정 오차, 95 % 하한",
    "score.ece_high": "보정 오차, 95 % 상한",
    "score.top5": "상위 5개 정확도",
    "score.auroc": "AUROC",
    "score.average_precision": "평균 정밀도(AP)",
    "score.positive": "양성 클래스",
    "model.backbone": "사전 학습 신경망",
    "model.licence": "가중치의 라이선스",
    "model.px": "입력 크기(픽셀)",
    "model.crop": "자르기",
    "model.embedding": "특징",
    "model.views": "사진당 보기 수",
    "model.strength": "선택된 L2 세기",
    "model.graft": "학습한 부분",
    "model.refit": "내보낸 헤드를 학습한 사진",
    "model.cut": "학습이 시작되는 층",
    "model.trained": "학습한 매개변수",
    "model.batchnorm": "BatchNorm",
    "model.best_epoch": "가장 좋은 에포크",
    "model.quality": "품질 수준",
    "part.train": "학습",
    "part.val": "검증",
    "part.test": "테스트",
    # Figures
    "figure.confusion": "혼동 행렬: 행은 실제 클래스, 열은 예측한 클래스",
    "figure.cell": "{label} → {predicted}: {total:,}장 중 {n:,}장({share})",
    "figure.true": "실제 클래스",
    "figure.predicted": "답",
    "figure.reliability": "신뢰도 그림: 제시한 확률과 실제로 맞은 비율",
    "figure.bin": "제시 {low}~{high}: 사진 {n:,}장, {share} 정답",
    "figure.stated": "제시한 확률",
    "figure.right": "실제로 맞은 비율",
    "figure.photos": "사진 수",
    "footer": "photograft {version} 버전이 만들었습니다. 이 페이지는 파일 하나이며, 보이는 모든 것을 담고 있고 "
    "네트워크를 쓰지 않습니다.",
}
