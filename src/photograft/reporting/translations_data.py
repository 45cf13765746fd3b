"""Forms of sentences about photos, files, labels and boxes, and their Korean; `translate` says how they are read."""

from __future__ import annotations

DATA_SENTENCES: dict[str, str] = {
    # What to do about an issue
    "Look at them, worst first, and correct wrong labels: photograft review RUN.": "가장 의심스러운 것부터 살펴보고 "
    "틀린 레이블을 고치십시오: photograft review RUN.",
    "Look at them, and leave out those in which nothing can be recognised.": "살펴보고, 아무것도 알아볼 수 없는 "
    "사진은 빼십시오.",
    "Keep one; they are kept in one part of the split.": "하나만 남기십시오. 나눌 때 모두 한 파트에 둡니다.",
    "Decide which label is right and remove or move the other copies.": "어느 레이블이 맞는지 정하고 나머지 사본은 "
    "지우거나 옮기십시오.",
    "If they differ in what the label is about, set split.duplicate_bits lower.": "레이블이 가리키는 부분이 서로 "
    "다른 사진이라면 split.duplicate_bits를 낮추십시오.",
    "Keep the copies in one part, or set split.on_leak to drop; scores are too good otherwise.": "사본을 한 파트에 "
    "두거나 split.on_leak을 drop으로 설정하십시오. 그러지 않으면 점수가 실제보다 높게 나옵니다.",
    "Give them one part and one fold; split.on_leak=drop leaves those beside the test part out.": "한 파트와 한 "
    "폴드에 두십시오. split.on_leak=drop으로 하면 테스트 파트와 겹치는 사진을 학습에서 뺍니다.",
    "Crop to what matters, or see that nothing is lost.": "중요한 부분만 남기고 자르거나, 잃는 것이 없는지 "
    "확인하십시오.",
    "Use the original photos if these are thumbnails.": "축소판이라면 원본 사진을 쓰십시오.",
    "Leave them out: there is nothing to learn.": "배울 것이 없으니 빼십시오.",
    "photograft turns them; other tools may not.": "photograft는 바로 세워 읽지만 다른 도구는 그러지 않을 수 있습니다.",
    "Collect at least {n:number} of each; scores of such a class are a guess until then.": "클래스마다 적어도 "
    "{n}장을 모으십시오. 그때까지 이런 클래스의 점수는 짐작일 뿐입니다.",
    "Set train.balance to balanced if small classes matter as much as large ones.": "작은 클래스가 큰 클래스만큼 "
    "중요하다면 train.balance를 balanced로 설정하십시오.",
    "Add photos, merge with another class (data.rename), or leave out (data.classes).": "사진을 더하거나, 다른 "
    "클래스와 합치거나(data.rename), 빼십시오(data.classes).",
    "Add photos of a second class.": "두 번째 클래스의 사진을 더하십시오.",
    "Give them one name, or merge them with data.rename.": "한 이름으로 고치거나 data.rename으로 합치십시오.",
    "Repair or remove the file; it was skipped.": "파일을 고치거나 지우십시오. 이번에는 건너뛰었습니다.",
    "Label or remove what the model should learn from.": "모델이 배울 사진이라면 레이블을 붙이고, 아니면 지우십시오.",
    "Correct the annotation; the whole photo was used.": "주석을 고치십시오. 이번에는 사진 전체를 썼습니다.",
    "Rename; the content counts, so they were used.": "이름을 고치십시오. 내용을 보고 읽으므로 사용하기는 했습니다.",
    # Issues
    "{photos:list}: {kind:known} under different labels ({labels})": "{photos}: {kind}, 레이블이 서로 다름({labels})",
    "{photos:list}: {kind:known} in different parts ({parts:each})": "{photos}: {kind}, 여러 파트에 있음({parts})",
    "{photos:list}: {kind:known} ({n:number} copies)": "{photos}: {kind}({n}장)",
    "the same picture": "같은 사진",
    "nearly the same picture": "거의 같은 사진",
    "nearly the same picture, some {how:each}": "거의 같은 사진(일부 {how})",
    "nearly the same picture, {how:each}": "거의 같은 사진({how})",
    "rotated by {n:number} degrees": "{n}도 돌림",
    "mirrored": "뒤집음",
    "train": "학습",
    "val": "검증",
    "test": "테스트",
    "{n:number} photo[ has a label|s have labels] that the model doubts, for example {photo}: with {label}, or "
    "rather without it?": "모델이 레이블을 의심하는 사진 {n}장, 예: {photo}: {label:이} 있다고 했으나 없어 보임",
    "{n:number} photo[ has a label|s have labels] that the model doubts, for example {photo}: without {label}, or "
    "rather with it?": "모델이 레이블을 의심하는 사진 {n}장, 예: {photo}: {label:이} 없다고 했으나 있어 보임",
    "{n:number} photo[ has a label|s have labels] that the model doubts, for example {photo}: {label}, or rather "
    "{other}?": "모델이 레이블을 의심하는 사진 {n}장, 예: {photo}: {label}, 아마도 {other}",
    "{n:number} photo[ has a label|s have labels] of {factor} that the model doubts, for example {photo}: {label}, "
    "or rather {other}?": "모델이 {factor} 레이블을 의심하는 사진 {n}장, 예: {photo}: {label}, 아마도 {other}",
    "{photo} is {what:known}": "{photo}: {what}",
    "{n:number} photos are {what:known}, for example {photo}": "사진 {n}장: {what}, 예: {photo}",
    "stored turned, with a note (EXIF) of how to hold it": "돌려서 저장되었고, 바로 세우는 방법이 EXIF에 적혀 있음",
    "smaller than {px:number} pixels on a side": "한 변이 {px}픽셀보다 작음",
    "much longer than wide, or wider than long, than the others": "다른 사진보다 훨씬 길쭉함",
    "of one colour": "한 가지 색뿐임",
    "very dark": "매우 어두움",
    "overexposed, or nearly white": "지나치게 밝거나 거의 흰색임",
    "of very low contrast": "대비가 매우 낮음",
    "blurred": "흐림",
    "{n:number} classes have fewer than {limit:number} photos: {sizes:list}": "클래스 {n}개의 사진이 {limit}장보다 "
    "적습니다: {sizes}",
    "{name} has only {n:number} photo[|s]": "{name}: 사진이 {n}장뿐입니다",
    "{name} has {n:number} photo[|s], {small} only {few:number}": "{name}: 사진 {n}장, {small}: {few}장뿐",
    "{name} has {has:known}, and the split needs {needed:number} photos that are independent (no copies, nor of one "
    "person, video or file)": "{name}: {has}. 나누려면 서로 독립된 사진(사본이 아니고, 같은 사람이나 동영상이나 "
    "파일에서 나오지 않은 사진)이 {needed}장 필요합니다",
    "no photo that can be used": "사용할 수 있는 사진이 없음",
    "{n:number} photo[|s] in {groups:number} independent group[|s]": "사진 {n}장, 독립된 그룹 {groups}개",
    "no photo that can be used in {groups:number} independent group[|s]": "사용할 수 있는 사진이 없음",
    "{n:number} photo[|s]": "사진 {n}장",
    "{sizes:list}: {n:number} classes have fewer photos than the {needed:number} that the split needs (copies, and "
    "photos of one person, video or file, count once)": "{sizes}: 클래스 {n}개의 사진이 나누는 데 필요한 "
    "{needed}장보다 적습니다(사본, 그리고 같은 사람이나 동영상이나 파일에서 나온 사진은 하나로 셉니다)",
    "the classes {names} differ only in {spelling:known}": "클래스 {names}: {spelling}만 다릅니다",
    "upper and lower case, spaces or underscores": "대소문자, 공백, 밑줄",
    "the Unicode form of the same letters": "같은 글자의 유니코드 형식",
    "only the class {name} has photos that can be used: there is nothing to tell apart": "사용할 수 있는 사진이 있는 "
    "클래스가 {name}뿐이라 구별할 것이 없습니다",
    "no class has photos that can be used: there is nothing to tell apart": "사용할 수 있는 사진이 있는 클래스가 "
    "없어 구별할 것이 없습니다",
    "{n:number} photo[ has|s have] no label, for example {photo}": "사진 {n}장에 레이블이 없습니다, 예: {photo}",
    "{n:number} photos have a box that was not used; {problem:known}": "사진 {n}장의 상자를 쓰지 않았습니다. 예: "
    "{problem}",
    "{photo}: {problem:known}": "{photo}: {problem}",
    "the annotation is of a picture of {a} pixels, the photo has {b}": "주석은 {a}픽셀 사진의 것인데 이 사진은 "
    "{b}픽셀입니다",
    "no box lies inside the photo of {size} pixels": "{size}픽셀 사진 안에 놓인 상자가 없습니다",
    "there is no box": "상자가 없습니다",
    "{photo}: the content is {format}, which the name does not say": "{photo}: 내용은 {format}인데 이름은 그렇지 "
    "않습니다",
    "{n:number} files with names in {extension} hold {format}, for example {photo}": "이름이 {extension:으로} 끝나는 "
    "파일 {n}개의 내용이 {format}입니다, 예: {photo}",
    "{n:number} files without an extension hold {format}, for example {photo}": "확장자가 없는 파일 {n}개의 내용이 "
    "{format}입니다, 예: {photo}",
    "{n:number} duplicates stand {where:known}: {photos:list}.": "중복 사진 {n}장이 {where} 있습니다: {photos}.",
    "{n:number} photos of {group} stand {where:known}: {photos:list}.": "{group} 사진 {n}장이 {where} 있습니다: "
    "{photos}.",
    "both in the test part and outside it": "테스트 파트 안팎에 모두",
    "in several folds": "여러 폴드에",
    # Why a file cannot be used
    "the file has no bytes": "파일이 비어 있습니다",
    "{format} is not decoded; save it as JPEG or PNG": "{format} 형식은 읽지 않습니다. JPEG나 PNG로 저장하십시오",
    "camera raw (CR3) is not decoded; export it as JPEG": "카메라 RAW(CR3)는 읽지 않습니다. JPEG로 내보내십시오",
    "this is a video (MP4 or QuickTime), not a photo": "사진이 아니라 동영상(MP4, QuickTime)입니다",
    "this is a Git LFS pointer, not the photo itself: run `git lfs pull`": "사진이 아니라 Git LFS 포인터입니다. `git "
    "lfs pull`을 실행하십시오",
    "SVG is a drawing, not a photo; export it as PNG": "SVG는 사진이 아니라 그림입니다. PNG로 내보내십시오",
    "this is SVG markup, not a photo": "사진이 아니라 SVG 마크업입니다",
    "this is a web page or XML, not a photo; the download may have failed": "사진이 아니라 웹 페이지나 XML입니다. "
    "내려받기에 실패했을 수 있습니다",
    "this is a ZIP archive, not a photo: unpack it first": "사진이 아니라 ZIP 파일입니다. 먼저 압축을 푸십시오",
    "the first bytes belong to no known image format": "첫 바이트가 알려진 어떤 이미지 형식도 아닙니다",
    "{format} is left out by the setting data.formats": "{format} 형식은 data.formats 설정에 따라 제외합니다",
    "HEIC/HEIF photo: install {extra} and add HEIF to the setting data.formats, or save it as JPEG": "HEIC/HEIF "
    "사진입니다. {extra:을} 설치하고 data.formats 설정에 HEIF를 더하거나 JPEG로 저장하십시오",
    "the header claims {size} pixels": "헤더에 적힌 크기가 {size}픽셀입니다",
    "its pixels are more than the setting data.max_pixels allows ({limit:number})": "픽셀이 data.max_pixels 설정의 "
    "한도({limit})보다 많습니다",
    "{n} pixels are more than the setting data.max_pixels allows ({limit:number})": "{n}픽셀은 data.max_pixels "
    "설정의 한도({limit})보다 많습니다",
    "the file ends before the picture does; copy it again": "파일이 그림보다 먼저 끝납니다. 다시 복사하십시오",
    "the file ends before the picture does; copy it again ({why})": "파일이 그림보다 먼저 끝납니다. 다시 "
    "복사하십시오({why})",
    "it starts like {format}, but is no variety that is decoded": "{format}처럼 시작하지만 읽을 수 있는 종류가 "
    "아닙니다",
    "it starts like {format}, but the header behind it is damaged": "{format}처럼 시작하지만 그 뒤의 헤더가 "
    "손상되었습니다",
    "damaged {format} file: {why}": "손상된 {format} 파일: {why}",
    "decoding its {size} pixels needs more memory than one photo may take; save it smaller": "{size}픽셀을 읽는 데 "
    "사진 한 장의 한도보다 많은 메모리가 듭니다. 더 작게 저장하십시오",
    "decoding it takes longer than {seconds:number} seconds; {remedy}": "읽는 데 {seconds}초보다 오래 걸립니다; "
    "{remedy}",
    "the decoder process was ended by {why}": "디코더 프로세스가 종료되었습니다: {why}",
    "{size} are more than the setting data.max_file_mb allows ({limit:number})": "{size}는 data.max_file_mb 설정의 "
    "한도({limit})보다 큽니다",
    "it is {what:known}, not a regular file": "일반 파일이 아니라 {what}입니다",
    "a named pipe": "명명된 파이프",
    "a socket": "소켓",
    "a folder": "폴더",
    "a device": "장치",
    "it is not in the archive": "압축 파일 안에 없습니다",
    "the system cannot read it: {why}": "시스템이 읽지 못합니다: {why}",
    "the store cannot read it: {why}": "저장소가 읽지 못합니다: {why}",
    "the store does not say how large it is": "저장소가 크기를 알려 주지 않습니다",
    "it has {n:number} bytes, and the store said {said:number}": "저장소는 {said}바이트라고 했지만 {n}바이트입니다",
    "the archive is damaged here: {why}": "압축 파일의 이 부분이 손상되었습니다: {why}",
    "it has {n:number} bytes, and declares {declared:number}": "{declared}바이트라고 적혀 있지만 {n}바이트입니다",
    "it shares bytes with another member": "압축 파일의 다른 파일과 바이트를 공유합니다",
    # Notes on what was read
    "{used:number} of {n:number} photos are used, at most {most:number} of each class (data.per_class)": "사진 {n}장 "
    "중 {used}장을 사용합니다. 클래스마다 많아야 {most}장입니다(data.per_class)",
    "class folder {name} holds no files": "클래스 폴더 {name}에 파일이 없습니다",
    "photos are read from {folder}, beside which their annotations lie": "주석 옆의 {folder} 폴더에서 사진을 읽습니다",
    "left out, because photograft wrote it (runs or bundles): {names}": "photograft가 만든 것(실행이나 번들)이라 "
    "제외했습니다: {names}",
    "not read, because they lie beside the class folders: {n:number} files ({names:list})": "클래스 폴더 옆에 있어 "
    "읽지 않은 파일 {n}개({names})",
    "left out without being read: {counts:each}": "읽지 않고 제외: {counts}",
    "{n:number} hidden or system files and folders": "숨김 파일, 시스템 파일이나 폴더 {n}개",
    "{n:number} files and folders that match data.ignore": "data.ignore에 맞는 파일과 폴더 {n}개",
    "{n:number} {extension} files": "{extension} 파일 {n}개",
    "folder {name} cannot be read: {why}": "폴더 {name:을} 읽을 수 없습니다: {why}",
    "classes renamed: {n:number} ({file})": "이름을 바꾼 클래스: {n}개({file})",
    "merged into {name}: {names}": "{name:으로} 합침: {names}",
    "left out: {n:number} photos of {k:number} classes without a new name in data.rename ({names:list})": "제외: "
    "data.rename에 새 이름이 없는 클래스 {k}개의 사진 {n}장({names})",
    "left out: {n:number} photos of {k:number} classes not among {setting} ({names:list})": "제외: {setting}에 들지 "
    "않는 클래스 {k}개의 사진 {n}장({names})",
    "left out of the archive: {n:number} members whose names lead out of the archive or are not usable "
    "({names:list})": "압축 파일에서 제외: 이름이 밖을 가리키거나 쓸 수 없는 파일 {n}개({names})",
    "left out of the archive: {n:number} members whose names come twice ({names:list})": "압축 파일에서 제외: 이름이 "
    "겹치는 파일 {n}개({names})",
    "left out of the archive: {n:number} links and special files ({names:list})": "압축 파일에서 제외: 링크와 특수 "
    "파일 {n}개({names})",
    "{table}: columns without a name are not read: number {numbers}": "{table}: 이름 없는 열은 읽지 않습니다: "
    "{numbers}번째",
    "{table}: columns that hold neither text nor numbers are not read: {names}": "{table}: 글자도 숫자도 없는 열은 "
    "읽지 않습니다: {names}",
    "{table} is not UTF-8: it is read as cp949, the encoding of Korean Windows": "{table}: UTF-8이 아니라서 한국어 "
    "윈도우의 인코딩인 cp949로 읽습니다",
    "{table}: {n:number} rows repeat another one": "{table}: 다른 행과 같은 행 {n}개",
    "{table}: column {name} is not used; data.labels.part={column} would take the parts from it": "{table}: 열 "
    "{name:을} 쓰지 않았습니다. data.labels.part={column:으로} 설정하면 파트를 거기서 읽습니다",
    "{n:number} rows of {table} match data.ignore and are left out": "{table}: data.ignore에 맞는 행 {n}개를 "
    "제외했습니다",
    "{n:number} files of the table are not there: {names:list}": "표에 적힌 파일 {n}개가 없습니다: {names}",
    "{n:number} files do not match {where} and are left out: {names:list}": "{where}에 맞지 않는 파일 {n}개를 "
    "제외했습니다: {names}",
    "the only part is {name}: its photos are divided as usual": "파트가 {name}뿐이라 사진을 평소처럼 나눕니다",
    "there is no test part: the validation part is the test part": "테스트 파트가 없어 검증 파트를 테스트 파트로 "
    "씁니다",
    "{n:number} photos lie in no folder of a part and are left out": "파트 폴더에 들어 있지 않은 사진 {n}장을 "
    "제외했습니다",
    "an annotation cannot be used: {problem}": "쓸 수 없는 주석: {problem}",
    "{n:number} more annotations cannot be used": "쓸 수 없는 주석이 {n}개 더 있습니다",
    "{n:number} without a class in the annotations are left out: {photos:list}": "주석에 클래스가 없는 사진 {n}장을 "
    "제외했습니다: {photos}",
    "{n:number} photos have no box and are used whole: {photos:list}": "상자가 없어 통째로 쓰는 사진 {n}장: {photos}",
    "{n:number} rows of the journal of edits are about files that are not here, or cannot be used": "편집 기록의 행 "
    "{n}개는 여기에 없거나 사용할 수 없는 파일에 관한 것입니다",
}
