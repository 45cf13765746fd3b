// A photo from the camera: by the camera application of a phone, or from a video picture in the page.
import { say } from './texts.js';

const $ = (id) => document.getElementById(id);

let stream = null;

/** Offers the camera where there may be one; `take(file)` gets what was photographed, `problem` what went wrong. */
export function offerCamera(take, problem) {
  if (matchMedia('(hover: none) and (pointer: coarse)').matches) {
    $('shot').hidden = $('shot-label').hidden = false;
    return;
  }
  if (!navigator.mediaDevices || !HTMLDialogElement.prototype.showModal) return; // not offered over plain HTTP from afar
  $('camera').hidden = false;
  $('camera').addEventListener('click', () => open(problem));
  $('camera-close').addEventListener('click', () => $('camera-box').close());
  $('camera-box').addEventListener('close', close);
  $('snap').addEventListener('click', () => snap(take));
}

async function open(problem) {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment', width: { ideal: 1280 } } });
  } catch (error) {
    problem(say(error.name === 'NotAllowedError' ? 'camera-refused' : 'camera-none'));
    return;
  }
  $('video').srcObject = stream;
  $('camera-box').showModal();
  $('snap').focus();
}

function snap(take) {
  const video = $('video');
  if (!video.videoWidth) return; // no picture has come yet
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext('2d').drawImage(video, 0, 0);
  canvas.toBlob((blob) => {
    $('camera-box').close();
    take(new File([blob], 'camera.jpg', { type: 'image/jpeg' }));
  }, 'image/jpeg', 0.95);
}

function close() {
  for (const track of stream ? stream.getTracks() : []) track.stop();
  stream = null;
  $('video').srcObject = null;
}
