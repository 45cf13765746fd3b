"""Forms of sentences about a run (warnings, split, settings, stages) and their Korean; see `translate`."""

from __future__ import annotations

RUN_SENTENCES: dict[str, str] = {
    # Warnings
    "{n:number} photo[|s] could not be used and [is|are] left out of every score.": "사용할 수 없는 사진 {n}장은 모든 "
    "점수에서 뺐습니다.",
    "{n:number} photo[|s] without a known label [is|are] left out of every score.": "아는 레이블이 없는 사진 {n}장은 "
    "모든 점수에서 뺐습니다.",
    "Some photos {why:known}: the {n:number} photos are worth about {worth:number} independent ones, and the "
    "interval of the accuracy rests on that number.": "사진 일부가 {why}. 사진 {n}장은 독립된 사진 약 {worth}장에 "
    "해당하며, 정확도의 신뢰 구간은 그 수로 계산했습니다.",
    "are duplicates of each other": "서로 중복입니다",
    "belong to one group, and fare alike": "같은 그룹에 속해 결과가 비슷합니다",
    "No scored photo is of {names}: nothing is known about how well that is recognised.": "점수를 매긴 사진 가운데 "
    "{names} 사진이 없어, 얼마나 알아보는지 알 수 없습니다.",
    "No scored photo has the label {names}: nothing is known about how well that is recognised.": "점수를 매긴 사진 "
    "가운데 {names} 레이블이 있는 사진이 없어, 얼마나 알아보는지 알 수 없습니다.",
    "The positive class {name} has no effect: there are {n:number} classes, not two.": "클래스가 둘이 아니라 "
    "{n}개이므로 양성 클래스 {name:은} 쓰이지 않습니다.",
    "This test part has now been opened {n:number} times: choosing between runs by its score makes it too "
    "optimistic.": "이 테스트 파트를 지금까지 {n}번 열었습니다. 그 점수로 실행을 고르면 점수가 실제보다 높아집니다.",
    "train.refit is all: the shipped model also saw the test photos; the scores are of the model before.": "내보낸 "
    "모델은 테스트 사진도 보았습니다. 점수는 그 전 모델의 것입니다.",
    "{n:number} of {all:number} test photos have {what:known} in training and are left out of the score.": "테스트 "
    "사진 {all}장 중 {n}장은 {what:이} 학습에 쓰여 점수에서 뺐습니다.",
    "Every test photo has {what:known} in training, so the test part says nothing: the score is the cross-validated "
    "one.": "모든 테스트 사진의 {what:이} 학습에 쓰여 테스트 파트로는 알 수 있는 것이 없습니다. 점수는 교차 검증의 "
    "것입니다.",
    "a duplicate": "중복 사진",
    "a duplicate or a photo of its group": "중복 사진이나 같은 그룹의 사진",
    "With them the accuracy is {share:number}.": "이들을 넣으면 정확도는 {share}입니다.",
    "Out-of-fold scores rest on mixed-precision features of the GPU; test scores on the bundle.": "폴드 밖 점수는 "
    "GPU의 혼합 정밀도 특징으로, 테스트 점수는 번들로 계산했습니다.",
    "The network of {run} was trained on {n:number} of the {all:number} photos that judge this run: the score is "
    "too good.": "{run} 실행의 신경망은 이 실행을 판정하는 사진 {all}장 중 {n}장으로 학습했으므로 점수가 실제보다 "
    "높습니다.",
    "To keep its test part apart, give split.file={file}.": "테스트 파트를 따로 두려면 split.file={file:을} "
    "지정하십시오.",
    "The encoder of {run} was pretrained on {n:number} of the {all:number} photos that judge this run, though "
    "without their labels: the score may be a little too good.": "{run} 실행의 인코더는 이 실행을 판정하는 사진 "
    "{all}장 중 {n}장으로, 레이블 없이이기는 하지만, 사전 학습했습니다. 점수가 실제보다 조금 높을 수 있습니다.",
    "To leave them out, give pretrain and train the same split.file.": "그 사진을 빼려면 pretrain과 train에 같은 "
    "split.file을 지정하십시오.",
    "The cache was damaged and has been started anew; the old file is {file}.": "캐시가 손상되어 새로 시작했습니다. "
    "이전 파일: {file}.",
    "The cache could not be written ({why}): {file}": "캐시를 쓸 수 없습니다({why}): {file}",
    "Nothing is cached: {folder} cannot be used ({why}).": "캐시하지 않습니다: {folder:을} 쓸 수 없습니다({why}).",
    "Set cache.dir to a folder that can be written.": "cache.dir을 쓸 수 있는 폴더로 설정하십시오.",
    # The split
    "No known duplicate stands on both sides of the split.": "알려진 중복 사진이 나뉜 양쪽에 함께 있지 않습니다.",
    "No known duplicate stands on both sides of the split; {kept:each} [was|were] kept together.": "알려진 중복 "
    "사진이 나뉜 양쪽에 함께 있지 않습니다. 한쪽에 모아 둔 것: {kept}.",
    "No file and no known duplicate stands on both sides of the split.": "같은 파일의 사진도 알려진 중복 사진도 나뉜 "
    "양쪽에 함께 있지 않습니다.",
    "No file and no known duplicate stands on both sides of the split; {kept:each} [was|were] kept together.": "같은 "
    "파일의 사진도 알려진 중복 사진도 나뉜 양쪽에 함께 있지 않습니다. 한쪽에 모아 둔 것: {kept}.",
    "No {kind} and no known duplicate stands on both sides of the split.": "{kind} 값이 같은 사진도 알려진 중복 "
    "사진도 나뉜 양쪽에 함께 있지 않습니다.",
    "No {kind} and no known duplicate stands on both sides of the split; {kept:each} [was|were] kept "
    "together.": "{kind} 값이 같은 사진도 알려진 중복 사진도 나뉜 양쪽에 함께 있지 않습니다. 한쪽에 모아 둔 것: "
    "{kept}.",
    "No {kind} and no known duplicate stands on both sides of the split{unknown:known}; {kept:each} [was|were] kept "
    "together.": "{kind} 값이 같은 사진도 알려진 중복 사진도 나뉜 양쪽에 함께 있지 않습니다{unknown}. 한쪽에 모아 둔 "
    "것: {kept}.",
    " ({n:number} photo[|s] without a {kind})": "({kind} 값이 없는 사진 {n}장)",
    "{n:number} group[|s] of duplicates": "중복 묶음 {n}개",
    "{n:number} value[|s] of {name}": "{name} 값 {n}개",
    "{n:number} file[|s]": "파일 {n}개",
    "{n:number} photo[|s] of the test part [has|have] {either} in train or validation: set split.on_leak to drop to "
    "leave these out of training.": "테스트 파트의 사진 {n}장은 중복이거나 같은 그룹인 사진이 학습이나 검증 파트에 "
    "있습니다. 그런 사진을 학습에서 빼려면 split.on_leak을 drop으로 설정하십시오.",
    "{n:number} photo[|s] [has|have] {either} in another fold, so that cross-validated scores are too good.": "사진 "
    "{n}장은 중복이거나 같은 그룹인 사진이 다른 폴드에 있어 교차 검증 점수가 실제보다 높습니다.",
    "{n:number} photo[|s] with {either} in the given test part [was|were] left out of training.": "중복이거나 같은 "
    "그룹인 사진이 주어진 테스트 파트에 있는 사진 {n}장은 학습에서 뺐습니다.",
    "{n:number} photo[ was|s were] found in {file} by content, under another path.": "사진 {n}장은 {file}에서 다른 "
    "경로로, 내용이 같은 것을 찾았습니다.",
    "{n:number} row[ names|s name] no usable photo in {file}.": "{file}의 행 {n}개는 사용할 수 있는 사진을 가리키지 "
    "않습니다.",
    # Why a setting has its value
    "auto": "자동",
    "auto: {why:known}": "자동: {why}",
    "not used: the test part is given": "쓰이지 않음: 테스트 파트가 주어짐",
    "the only size that {name} takes": "{name}에 맞는 유일한 크기",
    "the size of quality {name}": "품질 {name}의 크기",
    "two views at quality {name}": "품질 {name}에서는 보기 두 번",
    "one view at quality {name}": "품질 {name}에서는 보기 한 번",
    "the seconds of quality {name}": "품질 {name}의 시간",
    "the language of this computer": "이 컴퓨터의 언어",
    "quality {name}": "품질 {name}",
    "the network has no pretrained weights": "사전 학습된 가중치가 없음",
    "no pretrained weights to blend with": "섞을 사전 학습 가중치가 없음",
    "the layers of model.hidden train, and everything before them is frozen": "model.hidden의 층을 학습하고 그 앞은 "
    "모두 고정",
    "graft point {name}": "학습을 시작하는 곳 {name}",
    "usual for {name}": "{name}에서 흔히 쓰는 값",
    "schedule {name}": "스케줄 {name}",
    "{n:number} x train.lr": "train.lr의 {n}배",
    "{n:number} photos, at least {limit:number}": "사진 {n}장, {limit}장 이상",
    "{n:number} photos, fewer than {limit:number}": "사진 {n}장, {limit}장 미만",
    "lowest out-of-fold log loss": "폴드 밖 로그 손실이 가장 낮음",
    "chosen by out-of-fold log loss: {values}": "폴드 밖 로그 손실로 고름: {values}",
    "it fits into train.boundary_gb": "train.boundary_gb에 들어감",
    "{name} gives no middle stages, so the last one is used alone": "{name:은} 중간 단계를 주지 않으므로 마지막 "
    "단계만 씀",
    "the usual one of pretrain": "pretrain에서 흔히 쓰는 것",
    "pretraining trains everything from random weights": "사전 학습은 무작위 가중치에서 모두 학습함",
    "as the section pretrain says": "pretrain 설정을 따름",
    "as pretraining does it": "사전 학습의 방식",
    "{n:number} would take longer than {setting}, {minutes:number} minutes": "{n:은} {setting}의 {minutes}분보다 "
    "오래 걸림",
    "the last epoch that train.time_limit leaves": "train.time_limit 안의 마지막 에포크",
    "found: the loss falls from {a} to {b}": "찾음: {a}에서 {b:으로} 가면서 손실이 줄어듦",
    "measured when the run began: {what:known}": "실행을 시작할 때 잼: {what}",
    "{first:known}; {second:known}": "{first}; {second}",
    "{setting:name}={value:name} makes a step {times:number} times as fast: taken": "{setting}={value:으로} 한 "
    "단계가 {times}배 빨라져 사용함",
    "{setting:name}={value:name} makes a step {times:number} times as fast: not taken": "{setting}={value:으로} 한 "
    "단계가 {times}배 속도라 사용하지 않음",
    "batches of {n:number}: {more:number} would need more memory than {gb:number} GB": "배치 {n}: {more:이}면 메모리가 "
    "{gb} GB보다 많이 필요함",
    "batches of {n:number} may need {gb:number} GB of memory: train.batch_size makes them smaller": "배치 {n:은} "
    "메모리가 {gb} GB 필요할 수 있음: train.batch_size로 줄일 수 있음",
    "batches of {n:number}: {more:number} would need more memory than {gb:number} GB in each of {k:number} processes": (
        "배치 {n}: {more:이}면 프로세스 {k}개 각각에 메모리가 {gb} GB보다 많이 필요함"
    ),
    "batches of {n:number} may need {gb:number} GB of memory in each of {k:number} processes: train.batch_size makes "
    "them smaller": "배치 {n:은} 프로세스 {k}개 각각에 메모리가 {gb} GB 필요할 수 있음: train.batch_size로 줄일 수 "
    "있음",
    # Facts about the model
    "{embedding}, {n:number} numbers, and tuned, {m:number} numbers": "{embedding}, 값 {n}개와 미세 조정, 값 {m}개",
    "tuned, {n:number} numbers": "미세 조정, 값 {n}개",
    "{embedding}, {n:number} numbers": "{embedding}, 값 {n}개",
    "{n:number} of {all:number} parameters": "{all}개 중 {n}개",
    "none: no weights of others": "없음: 남의 가중치를 쓰지 않음",
    # Why runs are not compared, and where weights are to be had
    "{a} and {b} judged {n:number} of the same photos, and fewer than {few:number} tell nothing: take more photos, "
    "or the same split for both (split.file).": "{a}, {b}: 함께 판정한 사진이 {n}장인데, {few}장보다 적으면 알 수 "
    "있는 것이 없습니다. 사진을 늘리거나 둘을 같은 분할로 나누십시오(split.file).",
    "the weights of {name} are not on this machine: {ways:known}": "{name} 가중치가 이 컴퓨터에 없습니다. {ways}",
    "{first:known}, or {second:known}": "{first}; 또는 {second}",
    "run `{command}` (hf comes with timm)": "`{command}` 실행(hf는 timm과 함께 설치됨)",
    "put {file} into {folder}": "{folder}에 {file:을} 넣기",
    "bring {file} from another machine and set model.weights=FILE": "다른 컴퓨터에서 {file:을} 가져와 "
    "model.weights=FILE 설정",
    "{name} has no published weights: set model.weights=FILE": "{name:은} 공개된 가중치가 없습니다. "
    "model.weights=FILE을 설정하십시오",
    # Stages of a run
    "list": "목록 만들기",
    "export network": "신경망 내보내기",
    "estimate": "어림하기",
    "scan and extract": "사진 읽기와 특징 추출",
    "load features": "특징 불러오기",
    "group and split": "묶기와 나누기",
    "cut network": "신경망 자르기",
    "measure": "측정",
    "frozen part": "고정된 부분",
    "read photos": "사진 읽기",
    "fine-tune": "미세 조정",
    "calibrate": "보정",
    "predict": "예측",
    "evaluate": "평가",
    "decide": "기준 정하기",
    "robustness": "더 나쁜 사진에서 시험",
    "bundle": "번들 만들기",
    "report": "보고서",
    "scan": "사진 읽기",
    "compare": "비교",
    "pretrain": "사전 학습",
}
