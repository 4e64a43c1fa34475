// The answer: all that is shown follows from the pixels given last, so nothing can be stale.
const state = {
  turn: 0, // counts what the user began; what was begun earlier is dropped when it is ready
  strokes: [], picture: null, image: null, // what lies on the pad: one of the first two
  whole: null, // pixels before the shift
  frame: null, // where on the pad the net looks: left, top, width, height, in shares of it
  shift: [0, 0], // down, right
  chosen: null, // the class whose squares are shown; null: the one that is answered
  threshold: 0,
  pixels: null, logits: null, shares: null, top: -1, squares: null,
};
const ink = $("ink").getContext("2d"), look = $("look").getContext("2d");

// A new beginning: what is still on its way belongs to an older one.
function begin(parts = {}) {
  stopCamera();
  Object.assign(state, { turn: state.turn + 1, strokes: [], picture: null, image: null, frame: null, chosen: null }, parts);
  shiftTo(0, 0);
  $("noted").textContent = "";
}
function toCanvas(pixels, canvas) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0; i < plane; i++) {
    for (let k = 0; k < 3; k++) image.data[4 * i + k] = pixels[channels === 1 ? i : k * plane + i];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}
// Moved by whole pixels, the border pixel repeated into the gap.
function moved(pixels, down, right) {
  if (!down && !right) return pixels;
  const out = new Uint8Array(pixels.length);
  const inside = (value, size) => Math.max(0, Math.min(size - 1, value));
  for (let k = 0; k < channels; k++) for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
    out[k * plane + y * width + x] = pixels[k * plane + inside(y - down, height) * width + inside(x - right, width)];
  }
  return out;
}
const likeliest = values => values.indexOf(Math.max(...values));
function show(pixels, frame) {
  Object.assign(state, { whole: pixels, frame });
  answer();
  later(hold);
}
function answer() {
  const pixels = state.whole && moved(state.whole, ...state.shift);
  const logits = pixels && logitsOf(pixels), shares = pixels ? softmax(logits) : net.classes.map(() => 0);
  const top = pixels ? likeliest(shares) : -1;
  const squares = pixels ? squaresOf(state.chosen ?? top) : null;
  Object.assign(state, { pixels, logits, shares, top, squares });
  fillRows();
  const unsure = pixels && shares[top] < state.threshold;
  // The mark lets a name that runs to the left end before the number.
  say(pixels ? unsure ? "not sure" : net.classes[top] : "–",
    pixels ? (unsure ? `perhaps ${net.classes[top]}\u200e, ` : "") + percent(shares[top]) : "", unsure);
  $("hint").style.opacity = pixels ? 0 : 1;
  toCanvas(pixels || new Uint8Array(channels * plane).fill(net.background), $("seen"));
  redraw();
}
// A row a class; of many, the likeliest ones, and all below in a fold.
const MANY = 12, FEW = 5, isMany = net.classes.length > MANY;
function rowOf(place) {
  const parts = [element("span", { className: "name", dir: "auto" }), element("span", { className: "track" }, element("i")),
    element("span", { className: "share" })];
  const row = net.squares ? element("button", { type: "button", ariaPressed: false }, ...parts) : element("div", {}, ...parts);
  const item = element("li", {}, row);
  if (net.squares) row.addEventListener("click", () => {
    state.chosen = state.chosen === item.place ? null : item.place;
    $("watch").checked = true;
    answer();
  });
  name(item, place);
  return item;
}
function name(item, place) {
  const told = item.querySelector(".name"), whole = net.classes[place];
  item.place = place;
  told.textContent = cut(whole);
  told.title = whole;
  if (net.squares) item.firstChild.title = `what speaks for ${whole}`;
}
function fillRows() {
  const { shares, top, pixels, chosen } = state;
  if (isMany) {
    const order = [...shares.keys()].sort((a, b) => shares[b] - shares[a]);
    [...$("bars").children].forEach((item, i) => name(item, order[i]));
    $("bars").hidden = !pixels;
  }
  for (const item of [...$("bars").children, ...$("all").children]) {
    item.classList.toggle("top", item.place === top);
    item.querySelector("i").style.width = 100 * shares[item.place] + "%";
    item.querySelector(".share").textContent = pixels ? percent(shares[item.place]) : "";
    if (net.squares) item.firstChild.ariaPressed = item.place === chosen;
  }
}
function say(name, more, unsure = false) {
  $("answer").classList.remove("busy");
  $("answer").classList.toggle("unsure", !!unsure);
  $("answer").firstChild.textContent = name;
  $("answer").lastChild.textContent = more;
}
// Where there is no answer, none is left standing.
function refuse(reason) {
  begin();
  show(null, null);
  say("–", reason);
}

// The pad: the picture or the strokes, moved as the pixels are, and the squares over them.
function redraw() {
  const side = $("ink").width, frame = state.frame;
  const [down, right] = frame ? [state.shift[0] * frame[3] / height, state.shift[1] * frame[2] / width] : [0, 0];
  ink.setTransform(1, 0, 0, 1, 0, 0);
  ink.clearRect(0, 0, side, side);
  ink.translate(right * side, down * side);
  if (state.picture) {
    const [x, y, scale] = place(state.picture);
    ink.imageSmoothingEnabled = state.picture.width > 64;
    ink.drawImage(state.picture, x * side, y * side, state.picture.width * scale * side, state.picture.height * scale * side);
  }
  ink.strokeStyle = paint;
  trace(ink, state.strokes, 0.075 * side, ([x, y]) => [x * side, y * side]);
  drawSquares(side);
  if (isWindow) plot(state.pixels, $("watch").checked ? state.squares : null);
}
// Where on the pad a picture lies, and how large a pixel of it is, in shares of the pad.
function place({ width: w, height: h }) {
  const scale = 1 / Math.max(w, h);
  return [(1 - w * scale) / 2, (1 - h * scale) / 2, scale];
}
function onPad(picture, [left, top, wide, tall]) {
  const [x, y, scale] = place(picture);
  return [x + left * scale, y + top * scale, wide * scale, tall * scale];
}
function drawSquares(side) {
  look.clearRect(0, 0, side, side);
  const { squares, frame } = state;
  const whole = state.picture && onPad(state.picture, [0, 0, state.picture.width, state.picture.height]);
  if (frame && whole && (frame[2] < whole[2] - 1e-6 || frame[3] < whole[3] - 1e-6)) { // what the net does not see is dimmed
    look.fillStyle = dark ? "#000a" : "#fffa";
    look.fillRect(...whole.map(share => share * side));
    look.clearRect(...frame.map(share => share * side));
  }
  $("told").textContent = "";
  if (!squares || !$("watch").checked) return;
  const { height: rows, width: columns } = net.squares, [left, top, wide, tall] = frame.map(share => share * side);
  const most = Math.max(...squares.map(Math.abs)) || 1, gap = side / 280;
  squares.forEach((value, i) => {
    look.fillStyle = value > 0 ? "#ff7a1a" : "#2f8fff";
    look.globalAlpha = 0.58 * Math.abs(value) / most;
    const x = left + (i % columns) * wide / columns, y = top + Math.floor(i / columns) * tall / rows;
    look.fillRect(x + gap / 2, y + gap / 2, wide / columns - gap, tall / rows - gap);
  });
  look.globalAlpha = 1;
  const class_ = state.chosen ?? state.top, sum = squares.reduce((a, b) => a + b);
  $("told").append(element("em", {}, "Orange"), ` ${isWindow ? "parts" : "squares"} speak for “`, named("bdi", net.classes[class_]), "”, ",
    element("i", {}, "blue"), ` ones against it. Nothing else counts: together they are its score, ${(sum * net.logit_scale).toFixed(2)}.`);
}

// Whether the answer holds: the net is asked at every shift once nothing has changed for a moment.
// A side goes as far as a quarter of it; one of a single pixel stays where it is.
const reachOf = side => side > 1 ? Math.max(1, Math.min(8, Math.floor(side / 4))) : 0;
const reach = { across: reachOf(width), down: reachOf(height) };
const shiftsOf = by => by ? Array.from({ length: 2 * by + 1 }, (_, i) => i - by) : [];
let timer = 0;
function later(work) {
  clearTimeout(timer);
  for (const id of ["across", "down"]) fill(id, null);
  $("holds").textContent = "";
  if (state.whole && !live.stream) timer = setTimeout(work, 120);
}
function hold() {
  const first = likeliest([...logitsOf(state.whole)]);
  askSome(first, [...shiftsOf(reach.across).map(by => [0, by]), ...shiftsOf(reach.down).map(by => [by, 0])], []);
}
// A slow net is asked some times and then waited for, so that the page answers in between; what is begun there ends this.
function askSome(first, shifts, same) {
  const begun = performance.now();
  while (same.length < shifts.length && performance.now() - begun < 30)
    same.push(likeliest([...logitsOf(moved(state.whole, ...shifts[same.length]))]) === first);
  if (same.length < shifts.length) timer = setTimeout(askSome, 0, first, shifts, same);
  else tell(first, same);
}
function tell(first, same) {
  const across = same.slice(0, shiftsOf(reach.across).length), down = same.slice(across.length);
  fill("across", across);
  fill("down", down);
  const ways = [{ held: across, way: isWindow ? "in time" : "sideways", far: `${reach.across} of ${width}` },
    { held: down, way: isWindow ? "in time" : "up and down", far: `${reach.down} of ${height}` }].filter(({ held }) => held.length);
  const kept = ways.map(({ held, way }, i) => `at ${held.filter(Boolean).length} of ${held.length} ${i ? "" : "places "}${way}`);
  const far = new Set(ways.map(way => way.far));
  $("holds").textContent = ways.length ? `“${net.classes[first]}” holds ${kept.join(" and ")}, up to ${[...far].join(" and ")} ${isWindow ? "moments" : "pixels"} away.` : "";
}
function fill(id, held) {
  $(`${id}-strip`).replaceChildren(...shiftsOf(reach[id]).map((_, i) =>
    element("i", { className: held ? held[i] ? "" : "lost" : "unknown" })));
}
function shiftTo(down, right) {
  state.shift = [down, right];
  $("across").value = right;
  $("down").value = down;
  $("across-by").textContent = right > 0 ? `+${right}` : right;
  $("down-by").textContent = down > 0 ? `+${down}` : down;
}
for (const id of ["across", "down"]) {
  Object.assign($(id), { min: -reach[id], max: reach[id] });
  $(id).parentElement.hidden = !reach[id];
  $(id).addEventListener("input", () => { shiftTo(+$("down").value, +$("across").value); answer(); });
}
$("shifting").hidden = !reach.across && !reach.down;
$("watch").addEventListener("change", redraw);
