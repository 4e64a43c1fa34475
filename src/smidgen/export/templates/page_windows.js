// Measured values: a window's numbers from text, by the rules of data/moments.py, and its channels as lines.
const isWindow = !takesPictures && (height === 1) !== (width === 1);
const own = (isWindow && seen.length) || plane; // moments of a window trained on, of which the net may take fewer
const LONGEST = Math.max(1e6, 32 * channels * own); // bytes of text: a window fits with all digits that Python writes
const LONGER = 1.5; // times the moments of a window trained on, from which predict cuts a recording, and the page takes none
const tooLong = bytes => `a window's text is at most ${number(LONGEST / 1e6)} MB, got ${number(Number((bytes / 1e6).toPrecision(3)))} MB: give one window alone`;
const quoted = text => `“${cut(text, 20)}”`;
// The cells of each line, blank ones around all of them left out; csv.writer on Windows may end a line by two returns.
function cellsOf(text) {
  if (text.length > LONGEST) throw new Error(tooLong(text.length));
  const all = text.split(/\r*\n|\r/).map(line => line.trim().replace(/^#\s*/, "")), first = all.findIndex(Boolean);
  const lines = first < 0 ? [] : all.slice(first, all.length - [...all].reverse().findIndex(Boolean));
  const gap = lines.indexOf(""); // as some write a missing value of one channel: without it the rest would move up
  if (gap >= 0) throw new Error(`a window has numbers alone, got a blank line, number ${number(first + gap + 1)}: fill in the missing value, or leave out the line`);
  const told = /^"?sep=(.?)"?$/.exec(lines[0] || ""); // a spreadsheet's line of what is between cells
  if (told) lines.shift();
  const mark = told ? told[1] || "\t" : markOf(lines[lines.length - 1] || ""), rows = lines.map(line => splitBy(line.replace(/[,;]$/, ""), mark));
  return { commas: pointed(rows, mark), rows };
}
const ifDecimal = "where commas are decimal, put semicolons or tabs between numbers, or write decimal points";
const withComma = /^[-+]?\d*,\d+(e[-+]?\d+)?$/i, isPlain = cell => cell !== "" && Number.isFinite(Number(cell));
const areSeveral = text => text.split(/\s+/).filter(Boolean).length > 1 && text.split(/\s+/).filter(Boolean).every(cell => isPlain(cell) || (!/^[-+]*,/.test(cell) && withComma.test(cell)));
// What stands between the cells of the last line; blanks if nothing else does.
function markOf(line) {
  const inner = line.replace(/;$/, "");
  if (line.includes(";") && !inner.includes(";") && /\d,\d/.test(inner)) throw new Error(`lines must not end by semicolons where commas are between digits, got ${quoted(line)}: leave these out, or write decimal points`);
  if (line.includes(";")) return ";";
  if (line.includes("\t") && !/, *\t|\t *,/.test(line) && !line.split("\t").some(areSeveral)) return "\t";
  return line.includes(",") && !areSeveral(line) ? "," : /\s+/;
}
// Cells without the quotation marks around them, in which a mark is none.
function splitBy(line, mark) {
  const cells = [];
  let isOpen = false;
  for (const cell of line.split(mark)) {
    if (isOpen) cells.push(cells.pop() + mark + cell);
    else cells.push(cell);
    if (typeof mark === "string" && cell.split('"').length % 2 === 0) isOpen = !isOpen;
  }
  return cells.map(cell => cell.trim().replace(/^"(.*)"$/, "$1"));
}
// Whether commas are decimal: they become points in the rows. What may be one number or two is refused.
function pointed(all, mark) {
  const names = all.length > 1 && isNamed(all[0]) ? all[0] : [], rows = names.length ? all.slice(1) : all;
  const comma = rows.flat().find(cell => withComma.test(cell)), point = rows.flat().find(cell => cell.includes(".") && isPlain(cell));
  if (comma !== undefined) {
    if (typeof mark !== "string" && rows.every(row => row.length === 1)) throw new Error(`${quoted(comma)} may be one number or two: ${ifDecimal}`);
    if (point !== undefined) throw new Error(`numbers must have decimal commas or decimal points, got ${quoted(comma)} and ${quoted(point)}: write all alike, with no mark between thousands`);
    rows.forEach(row => row.forEach((cell, i) => { if (withComma.test(cell)) row[i] = cell.replace(",", "."); }));
    return true;
  }
  const widest = rows.reduce((most, row) => Math.max(most, row.length), 0), whole = mark === "," && rows.flat().every(cell => /^[-+]?\d+$/.test(cell));
  if (whole && names.length && names.length < widest && widest <= 2 * names.length) throw new Error(`${names.length} name${names.length > 1 ? "s" : ""} above ${widest} whole numbers: ${ifDecimal}; otherwise name every column`);
  // A nought with a minus; or zeros before numbers of a column, but not of the first or of two side by side, as of hours and minutes.
  const zeros = whole && !names.length ? rows.flatMap(row => row.map((cell, i) => ({ row, i, minus: cell === "-0" })).filter(({ i, minus }) => minus || /^0./.test(row[i]))) : [];
  const minus = zeros.find(of => of.minus), padded = new Set(zeros.filter(of => !of.minus).map(({ i }) => i));
  if (zeros.length && (minus || [...padded].every(i => i > 0 && !padded.has(i - 1)))) {
    const { row, i } = minus || zeros[0], begin = minus ? i : i - 1;
    throw new Error(`${quoted(row.slice(begin, begin + 2).join(","))} may be one number or two: ${ifDecimal}; otherwise leave out zeros before whole numbers`);
  }
  return false;
}
// A first line of names alone; what a logger writes for a value that is missing is none.
const isNamed = cells => cells.some(Boolean) && cells.every(cell => !cell || (Number.isNaN(Number(cell)) && !withComma.test(cell) && !/^(nan?|null|none|[-+]?inf)$/i.test(cell)));
// The first line, if it is names, or numbers of columns as pandas writes where there are no names, a line more than the window has.
function headOf(rows) {
  const first = rows[0] || [], counted = (rows.length - 1) * first.length === channels * own && first.every((cell, i) => cell === `${i}`);
  if (rows.length < 2 || !(counted || isNamed(first))) return { names: [], told: "" };
  rows.shift();
  return { names: counted ? [] : first, told: counted ? `the first line, ${cut(first.join(", "), 40)}, is taken for numbers of columns and left out` : "the first line, of names, is left out" };
}
// Words of which names of a column of times are made.
const TIMES = new Set(("time times timestamp timestamps t date datetime elapsed uptime s sec secs second seconds ms msec millis millisecond"
  + " milliseconds us usec micros microsecond microseconds ns nsec nanos nanosecond nanoseconds min mins minute minutes h hr hrs hour hours").split(" "));
const DOUBTFUL = ["min", "h"]; // which alone may be a least value and a height
const wordsOf = name => name.replace(/(?<=[a-z])(?=[A-Z\u00b5\u03bc])/g, " ").replace(/[\u00b5\u03bc]/g, "u").toLowerCase().match(/[\p{L}\p{Nl}\p{No}]+/gu) || [];
// What a model knows of its sensor, and what data/sensor.py says of another one.
const trained = seen.names || [];
const UNITS = { s: "s sec secs second seconds", ms: "ms msec millis millisecond milliseconds", us: "us usec micros microsecond microseconds", ns: "ns nsec nanos nanosecond nanoseconds",
  min: "min mins minute minutes", h: "h hr hrs hour hours" };
const SECONDS = { s: 1, ms: 1e-3, us: 1e-6, ns: 1e-9, min: 60, h: 3600 };
function unitOf(name) {
  const words = wordsOf(name), found = Object.keys(UNITS).filter(unit => UNITS[unit].split(" ").some(word => words.includes(word)));
  return found.length === 1 ? found[0] : "";
}
const listedNames = names => names.slice(0, 8).map(name => name || "(no name)").join(", ") + (names.length > 8 ? `, ... (${number(names.length)} in all)` : "");
// Where each channel trained on is among the names; null if they are other channels.
function orderOf(names) {
  const [own, theirs] = [names, trained].map(of => of.map(name => name.toLowerCase()));
  if (own.length === theirs.length && own.every((name, i) => name === theirs[i])) return own.map((_, i) => i);
  const unique = theirs.length && new Set(theirs.filter(Boolean)).size === theirs.length;
  return unique && theirs.every(name => own.filter(other => other === name).length === 1) ? theirs.map(name => own.indexOf(name)) : null;
}
function toldOrder(names, order) {
  if (!order) return `the channels are called ${listedNames(names)}, those trained on ${listedNames(trained)}: they are taken in this order, and answers are wrong unless they are the same`;
  const other = names.filter((_, i) => !order.includes(i)), out = other.length ? `${listedNames(other)} ${other.length === 1 ? "is" : "are"} left out` : "";
  if (order.every((place, i) => !i || place > order[i - 1])) return out && `${out}, as the net was trained on ${listedNames(trained)}`;
  return `the columns ${listedNames(names)} are put in the order trained on, by their names: ${listedNames(trained)}${out && `; ${out}`}`;
}
function toldMissing(names) {
  const own = names.map(name => name.toLowerCase()), lacking = trained.filter(name => !own.includes(name.toLowerCase()));
  return lacking.length && lacking.length < trained.length ? `; ${listedNames(lacking)} ${lacking.length === 1 ? "is" : "are"} missing` : "";
}
function toldPace(interval, unit, fitted) {
  const both = unit && seen.unit, own = interval * (both ? SECONDS[unit] : 1), its = (seen.interval || 0) * (both ? SECONDS[seen.unit] : 1);
  if (!own || !its || Math.abs(own - its) <= 0.05 * Math.max(own, its)) return "";
  const pace = (step, of) => `${Number(step.toPrecision(6))} ${of || ""}`.trim();
  return `moments are ${pace(interval, unit)} apart${fitted ? " once fitted" : ""}, those trained on ${pace(seen.interval, seen.unit)}: answers are wrong unless that is the same in another unit`;
}
// Whether the first of several columns is one of times by its name, and rises; where none is a number, as of dates, they are compared as text.
function isTimed(rows, names) {
  const words = wordsOf(names[0] || ""), cells = rows.map(([cell]) => cell);
  if (rows[0].length < 2 || !words.every(word => TIMES.has(word)) || words.every(word => DOUBTFUL.includes(word))) return false;
  const isNumber = cell => cell && Number.isFinite(Number(cell)), odd = cells.findIndex(cell => !isNumber(cell)), mixed = odd >= 0 && cells.some(isNumber);
  if (mixed) throw new Error(`a window has numbers alone, got ${cells[odd] ? quoted(cells[odd]) : "an empty cell"} among times`);
  const times = odd < 0 ? cells.map(Number) : cells;
  return times[0] !== times[times.length - 1] && times.every((time, i) => !i || times[i - 1] <= time);
}
// What may be done about lines of another form.
function adviceOn(rows, across) {
  const count = rows.length;
  if (!isWindow) return "";
  if (count === channels && across === own) return "; exchange rows and columns";
  if (across <= channels || count < 2) return "";
  const halves = channels === 1 && across === 2 && rows.every(([whole, part]) => /^[-+]?\d+$/.test(whole) && /^\d+(e[-+]?\d+)?$/i.test(part));
  return halves ? `; write decimal points if ${quoted(rows[0].join(","))} is one number, or leave out other columns, as of time` : "; leave out other columns, as of time";
}
// Numbers by their place in the window, and what was taken for granted.
function valuesOf(text) {
  const { rows: all, commas } = cellsOf(text), head = headOf(all), uneven = all.find(row => row.length !== all[0].length);
  if (uneven) throw new Error(`each line must have as many numbers, got ${all[0].length} and ${uneven.length}: ${quoted(uneven.join(","))}`);
  const timed = isWindow && all.length > 0 && isTimed(all, head.names), skipped = timed ? 1 : 0, told = head.told;
  const rows = all.map(row => row.slice(skipped)), names = head.names.slice(skipped);
  const given = rows[0]?.length || 0, count = rows.length, isNamedWhole = names.length > 0 && names.length === given;
  const order = isWindow && isNamedWhole && trained.length && (given === channels || (count > 1 && given > trained.length)) ? orderOf(names) : null;
  const wanted = channels * own, across = order ? order.length : given;
  const each = channels > 1 ? `the ${channels} channels of a moment` : "the value of a moment";
  const got = isNamedWhole ? `: ${cut(names.map(name => name || "(no name)").join(", "), 80)}` : "";
  // All in one line, or a number a line, may be one channel alone: of several, these have all numbers or none.
  const flat = count === 1 || across === 1, byMoments = channels === 1 ? flat : across === channels;
  const length = across * count / channels, other = isWindow && seen.fit === "stretch" && byMoments && length > 1;
  if (!other && !(across * count === wanted && (flat || byMoments || across === channels * width))) {
    throw new Error(`a window has ${number(wanted)} numbers, ${asked}, ${isWindow ? `in each line ${each}, or all in one` : "a row in each line"}, got `
      + `${number(count)} line${count === 1 ? "" : "s"} of ${number(across)}${got}${(isWindow && isNamedWhole && toldMissing(names)) || adviceOn(rows, across)}`);
  }
  if (isWindow && length >= LONGER * own) throw new Error(`a window has ${number(own)} moments, of which fewer than ${LONGER} times as many are fitted, got ${number(length)}: give one window alone, or the recording to smidgen predict`);
  const notes = commas ? ["decimal commas are read as points"] : [];
  if (timed) notes.push(`the first column, ${cut(head.names[0], 40)}, rises as time and is left out`);
  const isOrdered = Boolean(got && byMoments);
  const note = !isOrdered ? told : trained.length ? toldOrder(names, order) : `columns are taken in this order${got}`;
  if (note) notes.push(note);
  if (!names.length && trained.length > 1 && byMoments) notes.push(`columns without names are taken in the order trained on: ${listedNames(trained)}`);
  if (timed && count > 1) {
    const pace = toldPace((Number(all[count - 1][0]) - Number(all[0][0])) / (count - 1) * (length / own), unitOf(head.names[0]), length !== own);
    if (pace) notes.push(pace);
  }
  if (across * count !== wanted) notes.push(`${number(length)} moments fitted to ${number(own)}`);
  return { cells: rows.flatMap(row => order ? order.map(place => row[place]) : row), length, notes };
}
function windowOf(text) {
  const { cells, length, notes } = valuesOf(text);
  let beyond = 0;
  const bytes = Uint8Array.from(cells, (cell, i) => {
    const k = i % channels, value = Number(cell);
    if (!cell || !Number.isFinite(value)) throw new Error(`a window has numbers alone, got ${cell ? quoted(cell) : "an empty cell"}`);
    const level = seen.scale.length ? (value - seen.offset[k]) / seen.scale[k] : value;
    beyond += level < -1 || level > 256;
    return Math.max(0, Math.min(255, Math.floor(level + 0.5)));
  });
  if (2 * beyond > cells.length) notes.push(`${percent(beyond / cells.length, 0)} of the values lie beyond those trained on, which may have another unit`);
  const [tall, wide] = height === 1 ? [1, length] : [length, 1]; // of another length, as before a design shortened it
  const fitted = length === plane ? bytes : area(bytes, wide, 0, 0, tall, wide, height, width);
  const pixels = new Uint8Array(channels * plane);
  fitted.forEach((byte, i) => { pixels[(i % channels) * plane + Math.floor(i / channels)] = byte; });
  return { pixels, notes };
}
function loadWindow(text) {
  let made;
  try {
    made = windowOf(text);
  } catch (error) {
    return refuse(error.message);
  }
  const canvas = element("canvas");
  toCanvas(made.pixels, canvas);
  displaySample(canvas, made.pixels);
  $("noted").textContent = made.notes.length ? `Read so: ${made.notes.join("; ")}.` : "";
}

// A band each channel, from the least to the greatest value that the net tells apart.
const levelOf = (byte, k) => `${Number((seen.scale.length ? seen.offset[k] + byte * seen.scale[k] : byte).toPrecision(3))}`;
const lineOf = (pixels, k, left, top, wide, tall) => svg("path", { class: "line", d: Array.from({ length: plane }, (_, i) =>
  `${i ? "L" : "M"}${(left + (i + .5) * wide / plane).toFixed(1)} ${(top + tall * (1 - pixels[k * plane + i] / 255)).toFixed(1)}`).join("") });
function thumbnailOf(pixels) {
  const lines = Array.from({ length: channels }, (_, k) => lineOf(pixels, k, 2, 2 + 42 * k / channels, 96, 42 / channels));
  return svg("svg", { viewBox: "0 0 100 46" }, ...lines);
}
// The window, and under it what its moments gave to the class.
function plot(pixels, squares) {
  const left = 48, wide = 268, gap = channels > 8 ? 2 : 8, tall = Math.max(10, Math.min(100, 210 / channels - gap));
  const text = (x, y, said, anchor = "end") => svg("text", { x, y, "text-anchor": anchor }, said);
  const parts = [], foot = channels * (tall + gap) + 4;
  for (let k = 0; k < channels; k++) {
    const top = 4 + k * (tall + gap);
    parts.push(svg("rect", { class: "band", x: left, y: top, width: wide, height: tall, rx: 3 }));
    if (channels > 1) parts.push(svg("text", { class: "channel", x: 0, y: top + tall / 2 + 4 }, trained[k] ? cut(trained[k], 6) : `${k + 1}`));
    if (tall > 22) parts.push(text(left - 4, top + 9, levelOf(255, k)), text(left - 4, top + tall, levelOf(0, k)));
    if (pixels) parts.push(lineOf(pixels, k, left, top, wide, tall));
  }
  if (net.squares) parts.push(svg("rect", { class: "band", x: left, y: foot, width: wide, height: 14 }), ...squares ? heatOf(squares, left, foot, wide) : []);
  const below = foot + (net.squares ? 28 : 12);
  parts.push(text(left, below, "1", "start"), text(left + wide / 2, below, "moments", "middle"), text(left + wide, below, number(plane)));
  $("plot").setAttribute("viewBox", `0 0 320 ${Math.ceil(below + 4)}`);
  $("plot").replaceChildren(...parts);
}
// The squares of one moment, should there be several, are one.
function heatOf(squares, left, top, wide) {
  const { height: rows, width: columns } = net.squares, parts = height === 1 ? columns : rows;
  const sums = new Float64Array(parts);
  squares.forEach((value, i) => { sums[height === 1 ? i % columns : Math.floor(i / columns)] += value; });
  const most = Math.max(...sums.map(Math.abs)) || 1;
  return [...sums].map((value, i) => svg("rect", { class: "heat", x: left + i * wide / parts, y: top, width: wide / parts, height: 14,
    fill: `var(--${value > 0 ? "for" : "against"})`, "fill-opacity": (Math.abs(value) / most).toFixed(3) }));
}
