// A heat map over the photo, in the colours of `photograft explain`: the photo grey and dark, heat in inferno.

const RAMP = [[66, 10, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 164]];
const MOST_OPAQUE = 0.8;
const OPAQUE_FROM = 0.6; // the heat from which on colours hide as much of the photo as they ever do

/** Lays `grid` (rows of 0 to 1) over the part of the photo in `frame` that `window` gives as fractions of it. */
export function drawHeat(frame, { grid, window: [left, top, right, bottom] }) {
  clearHeat(frame);
  const canvas = paint(grid);
  canvas.className = isPart([left, top, right, bottom]) ? 'heat is-part' : 'heat';
  canvas.setAttribute('aria-hidden', 'true');
  const place = { left, top, width: right - left, height: bottom - top };
  for (const [name, share] of Object.entries(place)) canvas.style[name] = `${share * 100}%`;
  frame.append(canvas);
  frame.classList.add('is-heated');
}

/** Whether the model saw only a part of the photo. */
export const isPart = (edges) => edges.some((edge, i) => Math.abs(edge - (i < 2 ? 0 : 1)) > 0.005);

export function clearHeat(frame = document.getElementById('frame')) {
  frame.classList.remove('is-heated');
  for (const canvas of frame.querySelectorAll('canvas')) canvas.remove();
}

/** One pixel per place of the grid; the browser makes it smooth where it stretches it. */
function paint(grid) {
  const canvas = document.createElement('canvas');
  canvas.width = grid[0].length;
  canvas.height = grid.length;
  const context = canvas.getContext('2d');
  const picture = context.createImageData(canvas.width, canvas.height);
  grid.flat().forEach((heat, i) => picture.data.set(colour(heat), 4 * i));
  context.putImageData(picture, 0, 0);
  return canvas;
}

function colour(heat) {
  const at = Math.max(0, Math.min(1, heat)) * (RAMP.length - 1);
  const low = Math.min(Math.floor(at), RAMP.length - 2);
  const mixed = RAMP[low].map((channel, i) => channel + (RAMP[low + 1][i] - channel) * (at - low));
  return [...mixed, 255 * MOST_OPAQUE * Math.min(heat / OPAQUE_FROM, 1)];
}
