// Pictures: what they go through is part of the model, in the same integers as in training.
const seen = net.preprocessing;
const takesPictures = seen.color !== "channels" && !seen.scale.length;
const asked = `${height > 1 && width > 1 ? `${height} rows of ${width}` : `${seen.length || plane} moments`}${channels > 1 ? `, ${channels} channels each` : ""}`;
const level = seen.background === "black" ? 0 : 255;
const LARGEST = 64e6; // pixels
const within = (value, most) => Math.max(1, Math.min(most, Math.floor(value)));
const from = (i, size, to) => Math.floor((2 * i * size + (size > to ? to : size)) / (2 * to));
const until = (i, size, to) => size > to ? from(i + 1, size, to) : from(i, size, to) + 1;
const shareOf = count => Math.floor((Math.floor(2 ** 23 / count) + 1) / 2);
const meanOf = (sum, share) => Math.floor((sum * share + 2 ** 21) / 2 ** 22);
// Bytes over the background, pixel by pixel, as many channels as the net has.
function bytesOver({ data }) {
  const count = data.length / 4, bytes = new Uint8Array(count * channels), pixel = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const alpha = data[4 * i + 3];
    for (let k = 0; k < 3; k++) {
      const scaled = 128 * (data[4 * i + k] * alpha + level * (255 - alpha)) + 16384;
      pixel[k] = alpha === 255 ? data[4 * i + k] : ((scaled >> 8) + scaled) >> 15;
    }
    if (channels === 1) bytes[i] = (19595 * pixel[0] + 38470 * pixel[1] + 7471 * pixel[2] + 32768) >> 16;
    else bytes.set(pixel, 3 * i);
  }
  return bytes;
}
// The part of a picture that is kept, at another size: along rows, then along columns.
function area(bytes, w, top, left, tall, wide, rows, columns) {
  const across = new Uint8Array(tall * columns * channels), out = new Uint8Array(rows * columns * channels);
  for (let j = 0; j < columns; j++) {
    const start = from(j, wide, columns), end = until(j, wide, columns), share = shareOf(end - start);
    for (let y = 0; y < tall; y++) for (let k = 0; k < channels; k++) {
      let sum = 0;
      for (let x = start; x < end; x++) sum += bytes[((top + y) * w + left + x) * channels + k];
      across[(y * columns + j) * channels + k] = meanOf(sum, share);
    }
  }
  const row = columns * channels;
  for (let i = 0; i < rows; i++) {
    const start = from(i, tall, rows), end = until(i, tall, rows), share = shareOf(end - start);
    for (let x = 0; x < row; x++) {
      let sum = 0;
      for (let y = start; y < end; y++) sum += across[y * row + x];
      out[i * row + x] = meanOf(sum, share);
    }
  }
  return out;
}
// The pixels of a picture, and where in it, in pixels of its own, the net looks.
function fittedPicture(image) {
  const { width: w, height: h } = image, exact = w === width && h === height;
  if (!exact && $("cut").checked) return fittedDrawing(image);
  let [top, left, tall, wide] = [0, 0, h, w];
  let [above, before, rows, columns] = [0, 0, height, width];
  if (!exact && seen.fit === "crop") {
    tall = within((2 * w * height + width) / (2 * width), h);
    wide = within((2 * h * width + height) / (2 * height), w);
    [top, left] = [Math.floor((h - tall) / 2), Math.floor((w - wide) / 2)];
  }
  if (!exact && seen.fit === "pad") {
    rows = within((2 * h * width + w) / (2 * w), height);
    columns = within((2 * w * height + h) / (2 * h), width);
    [above, before] = [Math.floor((height - rows) / 2), Math.floor((width - columns) / 2)];
  }
  const fitted = area(bytesOver(image), w, top, left, tall, wide, rows, columns);
  const planes = new Uint8Array(channels * plane).fill(level);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) for (let k = 0; k < channels; k++) {
    planes[k * plane + (above + i) * width + before + j] = fitted[(i * columns + j) * channels + k];
  }
  const [across, along] = [wide / columns, tall / rows]; // of the picture, a net pixel
  const frame = [left - before * across, top - above * along, width * across, height * along];
  return { pixels: planes, frame };
}
