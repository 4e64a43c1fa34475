// How sure it must be: what a threshold would have answered on the test split, and here.
const counts = net.thresholds; // at each per cent: answered, and right of those
const kind = isWindow ? "window" : "picture";
function cover() {
  const [answered, right] = counts[Math.round(100 * state.threshold)] || [0, 0], all = counts[0]?.[0];
  $("sure-by").textContent = percent(state.threshold, 0);
  $("covered").textContent = all ? `Of ${number(all)} test ${kind}s, ${percent(answered / all)} are answered`
    + (answered ? `, ${percent(right / answered, 2)} of those rightly.` : ".") : "";
  const kept = folder.rows.filter(row => row.share >= state.threshold), labelled = kept.filter(row => row.label !== null);
  const well = labelled.filter(row => row.label === row.top).length;
  $("folder-covered").textContent = folder.rows.length ? `Of your folder, ${number(kept.length)} of ${number(folder.rows.length)}`
    + ` pictures (${percent(kept.length / folder.rows.length)})`
    + (labelled.length ? `, ${number(well)} of ${number(labelled.length)} rightly (${percent(well / labelled.length)}).` : ".") : "";
  $("curve-at")?.setAttribute("transform", `translate(${3.2 * 100 * state.threshold}, 0)`);
}
function drawCurve() {
  const all = counts[0][0], low = Math.min(...counts.map(([answered]) => answered / all), ...counts.map(([n, k]) => n ? k / n : 1));
  const floor = Math.min(0.95, Math.floor(20 * low) / 20), y = share => 80 - 72 * (share - floor) / (1 - floor);
  const line = (of, color) => svg("path", { fill: "none", stroke: `var(--${color})`, "stroke-width": 2.5, "stroke-linejoin": "round",
    d: counts.map((pair, t) => of(pair) === null ? "" : `${t ? "L" : "M"}${3.2 * t} ${y(of(pair)).toFixed(2)}`).join("") });
  $("curve").removeAttribute("hidden");
  $("curve").append(
    svg("path", { d: "M0 80H320M0 8H320", stroke: "var(--line)", fill: "none" }),
    line(([answered]) => answered / all, "against"), line(([n, k]) => n ? k / n : null, "accent"),
    svg("g", { id: "curve-at" }, svg("path", { d: "M0 4V84", stroke: "var(--ink)", "stroke-dasharray": "2 3" })),
    svg("text", { x: 0, y: 96 }, "0 %"), svg("text", { x: 320, y: 96, "text-anchor": "end" }, "99 %"),
    svg("text", { x: 130, y: 96, "text-anchor": "end", style: "fill: var(--against)" }, "answered"),
    svg("text", { x: 150, y: 96, style: "fill: var(--accent)" }, "right of those"),
    svg("text", { x: 320, y: 5, "text-anchor": "end" }, "100 %"),
    svg("text", { x: 5, y: 76 }, percent(floor, 0)));
}
$("sure").addEventListener("input", () => {
  state.threshold = $("sure").value / 100;
  answer();
  cover();
});

// What stays.
document.title = `${net.name} · smidgen`;
$("name").textContent = net.name;
$("lead").textContent = `Trained on ${net.data}, runs inside this page: nothing is sent or fetched.`;
if (takesPictures && !readsPixels()) $("lead").append(element("b", {},
  " This browser gives pages noise for the pixels of pictures (against fingerprinting): only those of the test set are answered rightly."));
const told = (id, main, more) => $(id).replaceChildren(main, " ", element("small", {}, more));
told("bytes", number(module_.code.length), `bytes, ${net.numbers}`);
told("accuracy", percent(net.accuracy, 2), `of ${number(net.images)}`);
told("params", number(net.params), `${net.macs < 1e6 ? number(net.macs) : (net.macs / 1e6).toFixed(2) + " M"} MACs`);
const form = isWindow ? `Windows: ${own} moments, ${channels} channel${channels > 1 ? "s" : ""}, ${seen.text.replace(/^[^,]*, /, "")}` : `Pictures: ${seen.text}`;
$("foot").textContent = `${form}. sha256 of the module: ${module_.sha256}`;
$("pad").classList.toggle("light", !dark);
const digits = net.classes.every(name => /^\d$/.test(name));
$("hint").textContent = !takesPictures ? `Paste or open the ${number(channels * own)} numbers of a window, ${asked}${isWindow ? ", a line a moment" : ""}, or try those below`
    + (channels > 1 && !isWindow ? ` (${channels > 3 ? "their first three channels are" : "their channels are"} shown as colours)` : "")
  : drawing ? `Draw ${digits ? "a digit" : "something"} here, or drop a picture`
  : `Drop a picture here, paste one${hasCamera ? ", open one, or start the camera" : " or open one"}`;
$("ink").setAttribute("aria-label", $("hint").textContent);
for (const id of ["ink", "look"]) $(id).width = $(id).height = 2 * Math.max(280, Math.min(480, $("pad").clientWidth));
$("answer").classList.toggle("long", !digits);
const places = [...net.classes.keys()], longest = Math.max(...net.classes.map(name => name.length));
$("bars").append(...places.slice(0, isMany ? FEW : MANY).map(rowOf));
$("every").hidden = !isMany;
if (isMany) {
  $("all").append(...places.map(rowOf));
  $("every").firstChild.textContent = `All ${number(net.classes.length)} classes`;
}
for (const id of ["bars", "all", "matrix"]) $(id).style.setProperty("--names", `${(0.62 * Math.max(2, Math.min(18, longest + 1))).toFixed(1)}em`);
if (!net.squares) {
  $("looking").hidden = true;
  $("looked").classList.add("none");
  $("told").id = "untold"; // it says one thing, for good
  $("untold").textContent = "What the net looked at cannot be shown exactly: its last layer is no mean over a map that a linear classifier reads.";
  $("looked").append(element("p", { id: "told" }));
}
for (const sample of net.samples) {
  const canvas = element("canvas"), pixels = bytesOf(sample.pixels);
  const button = element("button", { type: "button", title: `a test ${isWindow ? "window" : "image"} of class ${net.classes[sample.label]}` },
    isWindow ? thumbnailOf(pixels) : canvas);
  button.ariaLabel = button.title;
  toCanvas(pixels, canvas);
  button.addEventListener("click", () => displaySample(canvas, pixels));
  $("samples").lastChild.append(button);
}
$("samples").hidden = !net.samples.length;
if (net.samples.length < net.classes.length) $("samples").firstChild.textContent = `From the test set, one of each class (${net.samples.length} of ${net.classes.length} are here):`;
if (isWindow) {
  for (const id of ["ink", "look"]) $(id).hidden = true;
  $("plot").removeAttribute("hidden");
  $("plot").setAttribute("aria-label", `a window of ${plane} moments, ${channels} channels`);
  $("pad").className = "pad plotted";
  $("shown").ariaLabel = "Window";
  $("seen").parentElement.hidden = true; // the plot is what the net sees
  $("timed").textContent = "Time a window, here";
  for (const id of ["across", "down"]) $(id).labels[0].textContent = "In time";
  $("curve").setAttribute("aria-label", $("curve").getAttribute("aria-label").replace("pictures", "windows"));
}
if (counts.length) drawCurve();
clear();
cover();
$("samples").querySelector("button")?.click(); // an example answered
let fastest = Infinity;
for (const delay of [60, 1500, 4000]) setTimeout(() => { // browsers compile what runs often once more
  fastest = Math.min(fastest, secondsAnImage());
  $("time").textContent = asTime(fastest);
}, delay);
window.smidgen = { state, folder, live, logitsOf, squaresOf, csv };
