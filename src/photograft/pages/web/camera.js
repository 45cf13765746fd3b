// The live camera: a picture, its answer, the next picture; never more than one on the way.

const $ = (id) => document.getElementById(id);
const PAUSE_MS = 120; // leaves the device some time for other things

let stream = null;
let facing = 'environment';

/** Offers the camera where there is one. `ask(frame)` promises {row, ms}; `show(row, ms)` shows it; `problem(key)` says. */
export function offerCamera({ begin, ask, show, problem }) {
  if (!navigator.mediaDevices) return; // not there over plain HTTP from afar
  $('camera').hidden = false;
  $('camera').addEventListener('click', async () => {
    if (await open(problem)) {
      begin();
      run(stream, ask, show);
    }
  });
  $('camera-stop').addEventListener('click', closeCamera);
  $('turn').addEventListener('click', async () => {
    facing = facing === 'environment' ? 'user' : 'environment';
    stop();
    if (await open(problem)) run(stream, ask, show);
  });
}

/** Ends the camera and hides it. */
export function closeCamera() {
  if ($('live').hidden) return;
  stop();
  $('live').hidden = true;
  $('camera').focus();
}

async function open(problem) {
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: facing, width: { ideal: 640 } } });
  } catch (error) {
    problem(error.name === 'NotAllowedError' ? 'camera-refused' : 'camera-none');
    return false;
  }
  $('video').srcObject = stream;
  await $('video').play().catch(() => {}); // stopped before it began
  return true;
}

function stop() {
  for (const track of stream ? stream.getTracks() : []) track.stop();
  stream = null;
  $('video').srcObject = null;
}

async function run(own, ask, show) {
  while (stream === own) {
    if ($('video').videoWidth && !document.hidden) {
      const answer = await ask(await createImageBitmap($('video')));
      if (stream === own && answer) show(answer.row, answer.ms);
    }
    await new Promise((resolve) => { setTimeout(resolve, PAUSE_MS); });
  }
}
