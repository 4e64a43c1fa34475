// Strokes: drawn again at the size and place that the training images have, then averaged.
const paint = dark ? "#fff" : "#000";
const FINE = 8; // dots a pixel and direction
function trace(context, strokes, weight, at) {
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = weight;
  for (const stroke of strokes) {
    context.beginPath();
    stroke.forEach((point, i) => context[i ? "lineTo" : "moveTo"](...at(point)));
    if (stroke.length === 1) context.lineTo(...at(stroke[0]));
    context.stroke();
  }
}
// The pixels of strokes, and where on the pad, in shares of it, the net looks.
function fittedStrokes(strokes) {
  const points = strokes.flat();
  const [xs, ys] = [points.map(p => p[0]), points.map(p => p[1])];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const weight = 0.12 * net.ink_box;
  const scale = (net.ink_box - weight) / Math.max(right - left, bottom - top, 0.25);
  const middle = [(left + right) / 2, (top + bottom) / 2];
  const fine = document.createElement("canvas");
  fine.width = width * FINE;
  fine.height = height * FINE;
  const context = fine.getContext("2d", { willReadFrequently: true });
  let frame = null;
  const draw = (x, y) => {
    frame = [middle[0] - x / scale, middle[1] - y / scale, width / scale, height / scale];
    context.fillStyle = "#000";
    context.fillRect(0, 0, fine.width, fine.height);
    context.strokeStyle = "#fff";
    trace(context, strokes, weight * FINE, point => [
      ((point[0] - middle[0]) * scale + x) * FINE, ((point[1] - middle[1]) * scale + y) * FINE]);
    return averaged(context.getImageData(0, 0, fine.width, fine.height), 0, 0, fine.width, fine.height);
  };
  const shares = centred(draw(width / 2, height / 2), draw);
  return { pixels: Uint8Array.from(shares[0], share => Math.round(dark ? share : 255 - share)), frame };
}
function centred(planes, draw) {
  let sum = 0, x = 0, y = 0;
  planes[0].forEach((share, i) => { sum += share; x += share * (i % width + .5); y += share * (Math.floor(i / width) + .5); });
  const reach = (net.ink_box < Math.min(width, height)) * Math.min(width, height) / 6;
  const within = offset => Math.max(-reach, Math.min(reach, offset));
  return sum ? draw(width / 2 + within(width / 2 - x / sum), height / 2 + within(height / 2 - y / sum)) : planes;
}
