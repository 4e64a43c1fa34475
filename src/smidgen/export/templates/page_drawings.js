// On request: a drawing on paper is cut out and made like those of training.
const GREY = [0.299, 0.587, 0.114];
function fittedDrawing(picture) {
  const image = new ImageData(picture.data.slice(), picture.width, picture.height);
  for (let i = 0; i < image.data.length; i += 4) for (let k = 0, a = image.data[i + 3] / 255; k < 3; k++) {
    image.data[i + k] = image.data[i + k] * a + level * (1 - a);
  }
  toGrey(image);
  const frame = inkBox(image);
  return { pixels: Uint8Array.from(averaged(image, ...frame)[0], Math.round), frame };
}
function toGrey(image) {
  const { data } = image, count = data.length / 4;
  const grey = Float64Array.from({ length: count }, (_, i) => {
    const [r, g, b] = [data[4 * i], data[4 * i + 1], data[4 * i + 2]];
    return GREY[0] * r + GREY[1] * g + GREY[2] * b;
  });
  let low = 255, high = 0, border = 0, edge = 0;
  grey.forEach((value, i) => {
    low = Math.min(low, value);
    high = Math.max(high, value);
    const x = i % image.width, y = Math.floor(i / image.width);
    if (!x || !y || x === image.width - 1 || y === image.height - 1) { border += value; edge++; }
  });
  const invert = (border / edge > (low + high) / 2) === dark;
  for (let i = 0; i < count; i++) {
    const level = (grey[i] - low) / Math.max(high - low, 1), own = invert ? 1 - level : level;
    const strength = dark ? own : 1 - own; // paper is never quite even: what is faint is paper
    const kept = Math.max(0, Math.min(1, (strength - 0.25) / 0.6));
    grey[i] = 255 * (dark ? kept : 1 - kept);
  }
  grey.forEach((value, i) => data.fill(Math.round(value), 4 * i, 4 * i + 3));
}
function inkBox(image) {
  let [left, right, top, bottom, sum, mx, my] = [image.width, 0, image.height, 0, 0, 0, 0];
  for (let y = 0; y < image.height; y++) for (let x = 0; x < image.width; x++) {
    const value = image.data[4 * (y * image.width + x)], strength = dark ? value : 255 - value;
    sum += strength; mx += strength * (x + .5); my += strength * (y + .5);
    if (strength < 96) continue;
    [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x + 1), Math.min(top, y), Math.max(bottom, y + 1)];
  }
  if (right <= left || bottom <= top) return [0, 0, image.width, image.height];
  const dots = Math.max(right - left, bottom - top) / net.ink_box; // of the picture, a net pixel
  const whole = net.ink_box >= Math.min(width, height);
  const [x, y] = whole ? [(left + right) / 2, (top + bottom) / 2] : [mx / sum, my / sum];
  return [x - dots * width / 2, y - dots * height / 2, dots * width, dots * height];
}
// The mean of every net pixel's share of a rectangle of an image, three planes of 0 to 255.
function averaged(image, x0, y0, w, h) {
  const planes = [0, 1, 2].map(() => new Float64Array(plane));
  for (let row = 0; row < height; row++) for (let column = 0; column < width; column++) {
    const [l, r] = [x0 + column * w / width, x0 + (column + 1) * w / width];
    const [t, b] = [y0 + row * h / height, y0 + (row + 1) * h / height];
    const sums = [0, 0, 0];
    let area = 0;
    for (let y = Math.floor(t); y < b; y++) for (let x = Math.floor(l); x < r; x++) {
      const share = (Math.min(x + 1, r) - Math.max(x, l)) * (Math.min(y + 1, b) - Math.max(y, t));
      if (share <= 0) continue;
      area += share;
      const inside = x >= 0 && y >= 0 && x < image.width && y < image.height;
      const at = 4 * (y * image.width + x);
      for (let k = 0; k < 3; k++) sums[k] += share * (inside ? image.data[at + k] : net.background);
    }
    for (let k = 0; k < 3; k++) planes[k][row * width + column] = sums[k] / area;
  }
  return planes;
}
