const $ = id => document.getElementById(id);
const net = JSON.parse($("facts").textContent);
const bytesOf = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const { channels, height, width } = net;
const plane = height * width;
const dark = net.background < 128;
const number = value => value.toLocaleString("en");
const percent = (share, places = 1) => (100 * share).toFixed(places) + "\u00a0%";
for (const name of ["Label", "Live", "Pressed"]) { // which Firefox before 119 knows as attributes alone
  if (!(`aria${name}` in Element.prototype)) Object.defineProperty(Element.prototype, `aria${name}`, {
    set(value) { this.setAttribute(`aria-${name.toLowerCase()}`, value); } });
}
// Elements are built, never parsed: names from data stay text.
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made) made[name] = value; else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}
// Names may be of any length and in any script: the middle goes, and the whole is the title.
function cut(text, most = 48) {
  const letters = [...text], half = Math.floor((most - 1) / 2);
  return letters.length > most ? `${letters.slice(0, half).join("")}…${letters.slice(-half).join("")}` : text;
}
const named = (tag, name, most) => element(tag, { dir: "auto", title: name }, cut(name, most));
function svg(tag, attributes, ...children) {
  const made = document.createElementNS($("plot").namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// The net: planes of bytes in, logits out. The module takes pixel by pixel.
// Of two modules the first one needs SIMD128, which browsers before 2021 to 2023 lack.
const module_ = net.modules.map(({ code, sha256 }) => ({ code: bytesOf(code), sha256 })).find(({ code }) => WebAssembly.validate(code));
// Chrome before 115 takes no module of more than 4 KB without being waited for.
const wasm = (await WebAssembly.instantiate(module_.code)).instance.exports;
// Where a place of a map lies for the net, to which rows and columns may be exchanged.
const placeOf = (i, rows, columns) => net.preprocessing.turned ? (i % columns) * rows + Math.floor(i / columns) : i;
function logitsOf(pixels) {
  const into = new Uint8Array(wasm.memory.buffer, wasm.pixels(), channels * plane);
  for (let k = 0; k < channels; k++) for (let i = 0; i < plane; i++) {
    into[placeOf(i, height, width) * channels + k] = pixels[k * plane + i];
  }
  wasm.run();
  const Kind = net.numbers === "int8" ? Int32Array : Float32Array;
  return new Kind(wasm.memory.buffer, wasm.logits(), net.classes.length).slice();
}
function softmax(logits) {
  const real = Array.from(logits, logit => logit * net.logit_scale);
  const largest = Math.max(...real);
  const powers = real.map(value => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map(power => power / sum);
}
// What each square of the last map gave to the logit of a class in the last run.
const squaresOf = !net.squares ? () => null : class_ => {
  const { height: rows, width: columns } = net.squares;
  const found = new Float64Array(wasm.memory.buffer, wasm.squares(class_), rows * columns);
  return found.map((_, i) => found[placeOf(i, rows, columns)]);
};
const asTime = seconds => seconds < 1e-3 ? `${number(Math.round(seconds * 1e6))} µs`
  : seconds < 0.1 ? `${(seconds * 1e3).toFixed(1)} ms`
  : seconds < 1 ? `${Math.round(seconds * 1e3)} ms` : `${seconds.toFixed(1)} s`;
function secondsAnImage() {
  const pixels = net.samples.length ? bytesOf(net.samples[0].pixels) : new Uint8Array(channels * plane);
  let best = Infinity;
  const begun = performance.now(); // while this runs the page answers to nothing
  for (let round = 0; round < 4 && performance.now() - begun < 100; round++) {
    const start = performance.now();
    let count = 0, now = start;
    while (now - start < 12) {
      logitsOf(pixels);
      count++;
      now = performance.now();
    }
    best = Math.min(best, (now - start) / count / 1000);
  }
  return best;
}
