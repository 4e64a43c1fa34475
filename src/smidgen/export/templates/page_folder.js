// A folder: all its pictures answered, one after another; rows in the order of their paths.
const folder = { turn: 0, rows: [], broken: [], chosen: null, shown: 0, filter: null };
const PAIRS = 10; // of confusions told
const STEP = 30; // pictures shown at once
const ENDINGS = [...net.endings, ".apng"]; // of pictures to `predict`, and one that it knows by its content
function compare(a, b) {
  const [left, right] = [a.path.split("/"), b.path.split("/")];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    if (left[i] !== right[i]) return left[i] < right[i] ? -1 : 1;
  }
  return left.length - right.length;
}
function isPicture({ path, file }) {
  const parts = path.split("/"), inside = parts.slice(parts.length > 1 ? 1 : 0), name = parts[parts.length - 1].toLowerCase();
  if (inside.some(part => part.startsWith(".") || net.system.includes(part))) return false;
  return ENDINGS.some(ending => name.endsWith(ending)) || (!/\.[^.]+$/.test(name) && file.size > 0);
}
// The class whose name a folder around the picture has, the nearest one; names in one form, as in training.
function labelOf(path) {
  const around = path.split("/").slice(0, -1).reverse().map(part => net.classes.indexOf(part.normalize("NFC").trim().replace(/\s+/g, " ")));
  return around.find(place => place >= 0) ?? null;
}
async function answerFolder(files) {
  const turn = ++folder.turn, pictures = files.filter(isPicture).sort(compare);
  Object.assign(folder, { rows: [], broken: [], chosen: null, filter: null });
  $("gallery").replaceChildren();
  for (const id of ["confused", "table", "filters", "csv", "more"]) $(id).hidden = true;
  $("broken").textContent = "";
  $("folder-covered").textContent = "";
  $("summary").textContent = pictures.length ? "" : "There is no picture in this folder.";
  Object.assign($("progress"), { max: pictures.length || 1, value: 0, hidden: !pictures.length });
  $("stop").hidden = !pictures.length;
  if (!$("folder").contains(document.activeElement)) $("folder").scrollIntoView({ block: "nearest" });
  const canvas = document.createElement("canvas"); // one for all: browsers free them late, and WebKit has room for few
  for (const [place, { path, file }] of pictures.entries()) {
    try {
      const { image } = await imageOf(file, canvas);
      if (turn !== folder.turn) return;
      const shares = softmax(logitsOf(fittedPicture(image).pixels)), top = likeliest(shares);
      folder.rows.push({ path, file, label: labelOf(path), top, share: shares[top] });
    } catch (error) {
      if (turn !== folder.turn) return;
      if (/\.[^./]+$/.test(path)) folder.broken.push({ path, error: error.message });
    }
    $("progress").value = place + 1;
    if (place % 16 === 15) await new Promise(done => setTimeout(done)); // the page stays alive
    if (turn !== folder.turn) return;
  }
  finish();
}
function finish() {
  const { rows, broken } = folder;
  for (const id of ["progress", "stop"]) $(id).hidden = true;
  if (!rows.length && !broken.length) return;
  const labelled = rows.filter(row => row.label !== null), right = labelled.filter(row => row.label === row.top);
  const unlabelled = rows.length - labelled.length;
  $("summary").textContent = `${number(rows.length)} picture${rows.length === 1 ? "" : "s"} answered.` + (labelled.length
    ? ` ${number(right.length)} of ${number(labelled.length)} right: ${percent(right.length / labelled.length)} (95 % interval: ${within95(right.length, labelled.length)}).` : "")
    + (labelled.length && unlabelled ? ` ${number(unlabelled)} in no folder named like a class.` : "")
    // which ones it has learned the page cannot know
    + (labelled.length ? ` If the net was trained on some of them, this flatters it: of its ${number(net.images)} test pictures ${percent(net.accuracy, 2)} are right.` : "");
  $("broken").textContent = broken.length ? `Not answered: ${broken.slice(0, 10).map(row => `${row.path} (${row.error})`).join(", ")}`
    + (broken.length > 10 ? ` and ${broken.length - 10} more, in the CSV` : "") : "";
  $("csv").hidden = false;
  if (labelled.length) drawConfusions(labelled);
  drawFilters(labelled.length);
  only(null);
  cover();
}

// Wilson's interval of a share, for other pictures of the same kind: as `smidgen evaluate` tells it.
function within95(right, all) {
  const share = right / all, z = 1.959964, extra = z * z / all;
  const half = z * Math.sqrt(share * (1 - share) / all + extra / (4 * all));
  return [-half, half].map(by => percent(Math.max(0, Math.min(1, (share + extra / 2 + by) / (1 + extra))))).join(" to ");
}
// What each class was taken for, by both places: how often.
function drawConfusions(labelled) {
  const counts = net.classes.map(() => new Map()), alls = net.classes.map(() => 0);
  for (const { label, top } of labelled) {
    alls[label]++;
    counts[label].set(top, (counts[label].get(top) || 0) + 1);
  }
  const opens = (label, top, look, ...children) => {
    const button = element("button", { type: "button", ariaPressed: false,
      title: `${counts[label].get(top)} of ${alls[label]} pictures of ${net.classes[label]} taken for ${net.classes[top]}`, ...look }, ...children);
    button.ariaLabel = button.title;
    button.addEventListener("click", () => only(row => row.label === label && row.top === top, button));
    return button;
  };
  const pairs = counts.flatMap((row, label) => [...row].filter(([top]) => top !== label).map(([top, found]) => ({ label, top, found })));
  pairs.sort((a, b) => b.found - a.found || b.found / alls[b.label] - a.found / alls[a.label]);
  $("confused").replaceChildren(element("p", {}, pairs.length > PAIRS ? `The ${PAIRS} most frequent of ${number(pairs.length)} confusions:` : "Confusions, the most frequent first:"),
    ...pairs.slice(0, PAIRS).map(({ label, top, found }) => opens(label, top, {},
      element("span", {}, named("bdi", net.classes[label], 32), " → ", named("bdi", net.classes[top], 32), `: ${found} of ${alls[label]}`))));
  $("confused").hidden = !pairs.length;
  drawMatrix(net.classes.map((_, i) => i).filter(i => alls[i] || counts.some(row => row.has(i))), counts, alls, opens);
}
// A table of it; classes that do not occur are left out, and one of many is folded.
function drawMatrix(places, counts, alls, opens) {
  const table = element("table", { className: places.some(i => net.classes[i].length > 4) ? "long" : "" });
  const head = (scope, i) => element("th", { scope, title: net.classes[i], dir: "auto" }, cut(net.classes[i], 28));
  table.append(element("tr", {}, element("td", { style: "background: none" }), ...places.map(i => head("col", i))));
  for (const label of places) {
    table.append(element("tr", {}, head("row", label), ...places.map(top => {
      const found = counts[label].get(top), look = `--cell: var(--${label === top ? "accent" : "wrong"}); --part: ${Math.round(15 + 60 * found / alls[label])}%`;
      return element("td", {}, ...found ? [opens(label, top, { style: look }, `${found}`)] : []);
    })));
  }
  $("matrix").replaceChildren(table);
  $("table").hidden = false;
  $("table").open = places.length <= MANY;
  $("table").firstChild.textContent = `Table of ${places.length} classes`;
}
function drawFilters(labelled) {
  const kinds = [["All", null], ["Least sure first", "unsure"], ...labelled ? [["Wrong", row => row.label !== null && row.label !== row.top]] : []];
  $("filters").replaceChildren(...kinds.map(([name, test]) => {
    const button = element("button", { type: "button", ariaPressed: false }, name);
    button.addEventListener("click", () => only(test, button));
    return button;
  }));
  $("filters").hidden = false;
}
function only(test, button = $("filters").firstChild) {
  for (const other of $("folder").querySelectorAll("[aria-pressed]")) other.ariaPressed = other === button;
  folder.filter = test === "unsure" ? [...folder.rows].sort((a, b) => a.share - b.share)
    : folder.rows.filter(test || (() => true));
  folder.shown = 0;
  $("gallery").replaceChildren();
  showMore();
}
function showMore() {
  const rows = folder.filter.slice(folder.shown, folder.shown + STEP);
  folder.shown += rows.length;
  for (const row of rows) {
    const wrong = row.label !== null && row.label !== row.top, canvas = element("canvas");
    const answer = net.classes[row.top], more = wrong ? `, is ${net.classes[row.label]}` : "";
    const button = element("button", { type: "button", className: wrong ? "wrong" : "", title: row.path },
      canvas, named("b", answer), element("span", { className: "whole" }, percent(row.share), ...wrong ? [", is ", named("bdi", net.classes[row.label])] : []),
      element("span", { dir: "auto" }, row.path.split("/").pop()));
    button.ariaLabel = `${row.path}: ${answer} ${percent(row.share)}${more}`;
    button.addEventListener("click", () => {
      load(row.file);
      $("pad").scrollIntoView({ block: "nearest", behavior: "smooth" });
    });
    $("gallery").append(button);
    thumbnails = thumbnails.then(() => thumbnail(row.file, canvas)).catch(() => {}); // the next ones are shown anyway
  }
  $("more").hidden = folder.shown >= folder.filter.length;
}
// Small, in its own shape; one after another, since thirty photographs decoded at once are gigabytes.
let thumbnails = Promise.resolve();
async function thumbnail(file, canvas) {
  const bitmap = canvas.isConnected && await createImageBitmap(file).catch(() => null);
  if (!bitmap) return;
  const scale = Math.min(1, 176 / bitmap.height, 264 / bitmap.width);
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  if (scale === 1) canvas.style.imageRendering = "pixelated";
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
}
// The columns of `smidgen predict --csv`.
function csv() {
  const cell = text => /^[=+\-@\t\r]/.test(text) ? `'${text}` : text; // starts no formula
  const quoted = text => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const rows = [...folder.rows, ...folder.broken].sort(compare).map(row => row.error
    ? [row.path, "", "", row.error] : [row.path, net.classes[row.top], `${row.share}`, ""]);
  return [["picture", "class", "probability", "error"], ...rows].map(row => row.map(cell).map(quoted).join(",") + "\r\n").join("");
}
$("csv").addEventListener("click", () => {
  const address = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  element("a", { href: address, download: "answers.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000); // Safari on an iPhone asks first
});
$("stop").addEventListener("click", () => { folder.turn++; finish(); });
$("more").addEventListener("click", showMore);
