// Words that only this page says; those of every page are in texts.js.
import { addTexts } from './texts.js';

addTexts({
  en: {
    'camera': 'Live camera', 'camera-stop': 'Stop', 'turn': 'Other camera', 'pace': '{n} answers a second',
    'loading': 'Loading the model: {done} of {all} MB', 'loading-label': 'Loading', 'starting': 'Starting the model …',
    'not-loaded': 'The model could not be loaded: {reason}. Load the page again; if it stays so, a file is missing on the server.',
    'private': 'Photos stay on this device: they are looked at in this browser, and nothing is sent anywhere.',
    'check-busy': 'Checking whether it predicts as tested …',
    'check-same': 'Predicts in this browser as when it was made: checked on {n} pictures, largest difference {difference}.',
    'check-other': 'Does not predict in this browser as when it was made: on {n} pictures probabilities differ by up to {difference}. Do not rely on it in this browser; try another one.',
    'check-none': 'Whether it predicts as when it was made could not be checked: {reason}.',
    'done': 'All {n} photos are done.',
    'nothing': 'There was no file in what you gave.',
    'too-large': 'too_large_file: larger than {size} MB, the most that the model was made for', 'too-long': 'timeout: no answer within {n} seconds',
  },
  ko: {
    'camera': '실시간 카메라', 'camera-stop': '멈추기', 'turn': '다른 카메라', 'pace': '1초에 {n}번 답합니다',
    'loading': '모델을 불러오는 중: {all} MB 중 {done} MB', 'loading-label': '불러오는 중', 'starting': '모델을 시작하는 중…',
    'not-loaded': '모델을 불러오지 못했습니다: {reason}. 페이지를 다시 열어 보고, 그래도 안 되면 서버에 빠진 파일이 있는지 확인하세요.',
    'private': '사진은 이 기기를 떠나지 않습니다. 이 브라우저 안에서만 살펴보고 어디에도 보내지 않습니다.',
    'check-busy': '시험한 대로 예측하는지 확인하는 중…',
    'check-same': '모델을 만들 때와 똑같이 예측합니다. 사진 {n}장으로 확인했고, 가장 큰 차이는 {difference}입니다.',
    'check-other': '모델을 만들 때와 다르게 예측합니다. 사진 {n}장에서 확률이 {difference}까지 다릅니다. 이 브라우저의 답은 믿지 말고 다른 브라우저를 써 보세요.',
    'check-none': '모델을 만들 때와 똑같이 예측하는지 확인하지 못했습니다: {reason}.',
    'done': '사진 {n}장을 모두 살펴보았습니다.',
    'nothing': '파일이 들어 있지 않습니다.',
    'too-large': 'too_large_file: 이 모델이 받는 {size} MB보다 큽니다', 'too-long': 'timeout: {n}초 안에 답이 없습니다',
  },
});
