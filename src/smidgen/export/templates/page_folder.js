// A folder: all its pictures answered, one after another; rows in the order of their paths.
const folder = { turn: 0, rows: [], broken: [], chosen: null, shown: 0, filter: null };
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
  for (const id of ["matrix", "reading", "filters", "csv", "more"]) $(id).hidden = true;
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
    ? ` ${number(right.length)} of ${number(labelled.length)} right: ${percent(right.length / labelled.length)}.` : "")
    + (labelled.length && unlabelled ? ` ${number(unlabelled)} in no folder named like a class.` : "");
  $("broken").textContent = broken.length ? `Not answered: ${broken.slice(0, 10).map(row => `${row.path} (${row.error})`).join(", ")}`
    + (broken.length > 10 ? ` and ${broken.length - 10} more, in the CSV` : "") : "";
  $("csv").hidden = false;
  if (labelled.length) drawMatrix(labelled);
  drawFilters(labelled.length);
  only(null);
  cover();
}

// What each class is taken for; classes that do not occur are left out.
function drawMatrix(labelled) {
  const places = net.classes.map((_, i) => i).filter(i => labelled.some(row => row.label === i || row.top === i));
  const count = (label, top) => labelled.filter(row => row.label === label && row.top === top).length;
  const table = element("table", { className: places.some(i => net.classes[i].length > 4) ? "long" : "" });
  table.append(element("tr", {}, element("td", { style: "background: none" }),
    ...places.map(i => element("th", { scope: "col", title: net.classes[i] }, net.classes[i]))));
  for (const label of places) {
    const all = labelled.filter(row => row.label === label).length;
    table.append(element("tr", {}, element("th", { scope: "row", title: net.classes[label] }, net.classes[label]),
      ...places.map(top => {
        const found = count(label, top), cell = element("td");
        if (!found) return cell;
        const button = element("button", { type: "button", ariaPressed: false,
          title: `${found} of ${all} pictures of ${net.classes[label]} taken for ${net.classes[top]}`,
          style: `--cell: var(--${label === top ? "accent" : "wrong"}); --part: ${Math.round(15 + 60 * found / all)}%` }, `${found}`);
        button.ariaLabel = button.title;
        button.addEventListener("click", () => only(row => row.label === label && row.top === top, button));
        cell.append(button);
        return cell;
      })));
  }
  $("matrix").replaceChildren(table);
  $("matrix").hidden = $("reading").hidden = false;
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
      canvas, element("b", {}, answer), element("span", {}, percent(row.share) + more), element("span", {}, row.path.split("/").pop()));
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
