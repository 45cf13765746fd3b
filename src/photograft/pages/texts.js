// Words of the pages, in English and Korean: by the language of the browser, or by ?lang=ko in the address.

export const TEXTS = {
  en: {
    'probability': 'Probability', 'more': '{n} more', 'more-small': '{n} more, each below 1\u00a0%', 'folded': 'Its answers all the same',
    'together': 'that all of it is right',
    'status-unsure': 'not sure', 'status-unfamiliar': 'unfamiliar', 'status-rejected': 'not read',
    'unsure': 'The model is not sure of this one. With so low a probability it is wrong too often to rely on.',
    'unsure-do': 'Decide for yourself, or try another photo: closer, sharper, in better light.',
    'unfamiliar-title': 'Like nothing it has learned',
    'unfamiliar': 'This photo is like none that the model learned from. Its closest answer, {label}, may mean nothing.',
    'unfamiliar-do': 'It knows only {classes}. If the photo does show one of these, decide for yourself, or try another: the thing alone, whole, in good light.',
    'unfamiliar-do-many': 'It knows only {n} classes. If the photo does show one of these, decide for yourself, or try another: the thing alone, whole, in good light.',
    'none-title': 'None of its labels', 'none': 'No label is probable enough. The closest is {label}, with {share}.',
    'rejected-title': 'This file cannot be used',
    'empty': 'The file is empty.', 'empty-do': 'Copy or save it again.',
    'not_an_image': 'This is not a picture.', 'not_an_image-do': 'Choose a photo: JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF.',
    'unsupported_format': 'Pictures of this kind are not read here.', 'unsupported_format-do': 'Save it as JPEG or PNG.',
    'truncated': 'The file ends before the picture does.', 'truncated-do': 'Copy or download it again.',
    'corrupt': 'The file is damaged.', 'corrupt-do': 'Copy it again, or save it anew as JPEG.',
    'too_many_pixels': 'The picture has too many pixels.', 'too_many_pixels-do': 'Save it smaller.',
    'too_large_file': 'The file is too large.', 'too_large_file-do': 'Save it smaller, or as JPEG.',
    'timeout': 'Reading this picture takes too long.', 'timeout-do': 'Save it anew as an ordinary JPEG.',
    'unreadable': 'The file cannot be read.', 'unreadable-do': 'Choose it again.',
    'told': '{label}, {share}.', 'told-unsure': 'Not sure: perhaps {label}, {share}.',
    'tested': 'Right on {share} of {n} photos that it had not seen (95 % interval {low} to {high}).',
    'tested-several': 'All labels right on {share} of {n} photos that it had not seen (95 % interval {low} to {high}).',
    'tested-factors': 'Everything right on {share} of {n} photos that it had not seen (95 % interval {low} to {high}).',
    'knows': 'Tells {n} classes apart: {classes}.', 'knows-several': 'Gives any of {n} labels: {classes}.',
    'knows-factors': 'Tells {classes}.', 'knows-heads': 'Answers {n} questions about a photo: {classes}.', 'and-more': '{classes} and {n} more',
    'question': 'What does this photo show?', 'choose-group': 'Choose photos', 'drop-here': 'Drop photos here', 'drop-now': 'Drop to have a look',
    'choose': 'Choose photos', 'take': 'Take a photo', 'paste': 'or paste one with Ctrl V', 'pasted': 'pasted picture', 'taken': 'from the camera',
    'photo-of': 'The photo {name}', 'looking': 'Looking …',
    'many': '{n} photos', 'many-busy': '{done} of {n} photos', 'stopped': 'Stopped: {done} of {n} photos', 'progress': 'Progress', 'stop': 'Stop',
    'download': 'Download as CSV',
    'table': 'Answers for every photo', 'file': 'File', 'answer': 'Answer', 'status': 'Status', 'is-ok': 'answered', 'is-unsure': 'not sure',
    'is-unfamiliar': 'unfamiliar', 'is-rejected': 'not read', 'is-waiting': 'waiting',
    'camera-refused': 'The browser may not use the camera. Allow it in the address bar, or choose a photo.',
    'camera-none': 'No camera was found. Choose a photo instead.',
  },
  ko: {
    'probability': '확률', 'more': '{n}개 더', 'more-small': '{n}개 더, 모두 1\u00a0% 미만', 'folded': '그래도 답을 보기',
    'together': '모두 맞을 확률',
    'status-unsure': '확신 없음', 'status-unfamiliar': '낯선 사진', 'status-rejected': '읽지 못함',
    'unsure': '모델이 이 사진은 확신하지 못합니다. 확률이 이만큼 낮은 답은 그대로 믿기에는 틀리는 일이 잦습니다.',
    'unsure-do': '직접 판단하거나, 더 가까이서 밝고 선명하게 찍은 다른 사진을 넣어 보세요.',
    'unfamiliar-title': '배운 적 없는 사진',
    'unfamiliar': '모델이 학습한 사진 가운데 이 사진과 비슷한 것이 없습니다. 가장 가까운 답은 {label}이지만 의미가 없을 수 있습니다.',
    'unfamiliar-do': '모델이 아는 것은 {classes}뿐입니다. 이 가운데 하나가 맞다면, 직접 판단하거나 그것만 온전하고 밝게 나온 다른 사진을 넣어 보세요.',
    'unfamiliar-do-many': '모델이 아는 클래스는 {n}개뿐입니다. 이 가운데 하나가 맞다면, 직접 판단하거나 그것만 온전하고 밝게 나온 다른 사진을 넣어 보세요.',
    'none-title': '해당하는 레이블 없음', 'none': '확률이 충분한 레이블이 없습니다. 가장 가까운 것은 {label}({share})입니다.',
    'rejected-title': '쓸 수 없는 파일입니다',
    'empty': '파일이 비어 있습니다.', 'empty-do': '다시 복사하거나 저장하세요.',
    'not_an_image': '사진 파일이 아닙니다.', 'not_an_image-do': 'JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF 사진을 고르세요.',
    'unsupported_format': '여기서 읽지 않는 형식입니다.', 'unsupported_format-do': 'JPEG이나 PNG로 저장하세요.',
    'truncated': '파일이 중간에서 끊겼습니다.', 'truncated-do': '다시 복사하거나 내려받으세요.',
    'corrupt': '파일이 손상되었습니다.', 'corrupt-do': '다시 복사하거나 JPEG으로 새로 저장하세요.',
    'too_many_pixels': '사진의 픽셀 수가 너무 많습니다.', 'too_many_pixels-do': '크기를 줄여 저장하세요.',
    'too_large_file': '파일이 너무 큽니다.', 'too_large_file-do': '크기를 줄이거나 JPEG으로 저장하세요.',
    'timeout': '사진을 읽는 데 너무 오래 걸립니다.', 'timeout-do': '일반 JPEG으로 새로 저장하세요.',
    'unreadable': '파일을 읽을 수 없습니다.', 'unreadable-do': '다시 고르세요.',
    'told': '{label}, {share}.', 'told-unsure': '확신 없음: 아마도 {label}, {share}.',
    'tested': '처음 보는 사진 {n}장 가운데 {share}를 맞혔습니다(95 % 신뢰구간 {low}~{high}).',
    'tested-several': '처음 보는 사진 {n}장 가운데 {share}에서 모든 레이블을 맞혔습니다(95 % 신뢰구간 {low}~{high}).',
    'tested-factors': '처음 보는 사진 {n}장 가운데 {share}에서 모든 항목을 맞혔습니다(95 % 신뢰구간 {low}~{high}).',
    'knows': '클래스 {n}개를 구별합니다: {classes}.', 'knows-several': '레이블 {n}개 가운데 맞는 것을 모두 붙입니다: {classes}.',
    'knows-factors': '구별하는 항목: {classes}.', 'knows-heads': '사진 한 장에 {n}가지로 답합니다: {classes}.', 'and-more': '{classes} 외 {n}개',
    'question': '이 사진은 무엇일까요?', 'choose-group': '사진 고르기', 'drop-here': '사진을 여기에 끌어다 놓으세요', 'drop-now': '놓으면 살펴봅니다',
    'choose': '사진 고르기', 'take': '사진 찍기', 'paste': 'Ctrl V로 붙여 넣어도 됩니다', 'pasted': '붙여 넣은 사진', 'taken': '카메라 사진', 'photo-of': '사진 {name}',
    'looking': '살펴보는 중…',
    'many': '사진 {n}장', 'many-busy': '사진 {n}장 중 {done}장', 'stopped': '멈춤: 사진 {n}장 중 {done}장', 'progress': '진행 상황', 'stop': '멈추기',
    'download': 'CSV로 내려받기',
    'table': '사진마다의 답', 'file': '파일', 'answer': '답', 'status': '상태', 'is-ok': '답함', 'is-unsure': '확신 없음', 'is-unfamiliar': '낯선 사진',
    'is-rejected': '읽지 못함', 'is-waiting': '대기 중',
    'camera-refused': '브라우저가 카메라를 쓸 수 없습니다. 주소창에서 허용하거나 사진을 고르세요.', 'camera-none': '카메라를 찾지 못했습니다. 사진을 고르세요.',
  },
};

export const language = choose();

function choose() {
  const asked = new URLSearchParams(location.search).get('lang') || navigator.language || 'en';
  return asked.toLowerCase().startsWith('ko') ? 'ko' : 'en';
}

/** Adds the words of one page: {en: {key: text}, ko: {key: text}}. */
export function addTexts(more) {
  for (const [name, texts] of Object.entries(more)) Object.assign(TEXTS[name], texts);
}

export const knows = (key) => key in TEXTS[language];

export const say = (key, values = {}) => TEXTS[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');

/** Puts words into the elements that name them: data-say the text, data-say-label what a screen reader says. */
export function fillIn(root = document) {
  document.documentElement.lang = language;
  for (const each of root.querySelectorAll('[data-say]')) each.textContent = say(each.dataset.say);
  for (const each of root.querySelectorAll('[data-say-label]')) each.setAttribute('aria-label', say(each.dataset.sayLabel));
}

/** A share in whole per cent: nothing is said to be certain or impossible. */
export function percent(share) {
  if (share < 0.01) return '<\u00a01\u00a0%';
  if (share > 0.99) return '>\u00a099\u00a0%';
  return `${Math.round(share * 100)}\u00a0%`;
}

/** A measured share, as fine as `n` photos can tell. */
export function measured(share, n) {
  const digits = n < 500 ? 0 : 1;
  const most = 100 - 10 ** -digits; // not all is said to be right where one was wrong
  return `${(share < 1 ? Math.min(share * 100, most) : 100).toFixed(digits)}\u00a0%`;
}

export const number = (n) => new Intl.NumberFormat(language).format(n);

/** The first `most` names, and how many more there are. */
export function list(names, most = 8) {
  const shown = names.slice(0, names.length > most + 1 ? most : most + 1).join(', ');
  const left = names.length - Math.min(names.length, names.length > most + 1 ? most : most + 1);
  return left ? say('and-more', { classes: shown, n: number(left) }) : shown;
}
