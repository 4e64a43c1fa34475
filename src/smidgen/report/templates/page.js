addEventListener("beforeprint", () => { // on paper nothing can be unfolded
  for (const part of document.querySelectorAll("details")) part.open = true;
});
function sort(head, up) {
  const row = head.parentElement;
  const place = [...row.children].indexOf(head);
  const body = row.parentElement.parentElement.tBodies[0];
  const numeric = head.classList.contains("number");
  for (const other of row.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const value = (line) => line.children[place].dataset.value;
  const known = (line) => !numeric || Number.isFinite(Number(value(line))); // the others come last
  const order = numeric
    ? (a, b) => Number(value(a)) - Number(value(b))
    : (a, b) => value(a).localeCompare(value(b));
  const either = (a, b) => known(b) - known(a) || (known(a) ? (up ? order(a, b) : order(b, a)) : 0);
  body.append(...[...body.rows].sort(either));
}
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement; // the largest first, words from A
    const first = head.classList.contains("number") ? "ascending" : "descending";
    sort(head, (head.getAttribute("aria-sort") ?? first) === "descending");
  });
}
// A page that is read again every few seconds stays as its reader left it: what is unfolded and
// sorted, by title (of several of one title, by number), and where it is scrolled to.
const KEPT = "smidgen " + location.pathname;
const refreshed = document.querySelector("meta[http-equiv=refresh]") !== null;
// What was killed cannot say so, and its page would be read again for ever.
const KILLED = 5; // minutes: a page is written every few seconds, a large one less often
const written = document.querySelector("[role=status] time");
const minutes = written ? Math.floor((Date.now() - Date.parse(written.dateTime)) / 60_000) : 0;
if (minutes >= KILLED) {
  written.parentElement.append(` That is ${minutes} minutes ago: perhaps it was killed; the same command goes on.`);
}
function titled(parts, title) {
  const found = new Map();
  for (const part of parts) {
    const name = title(part);
    let number = 1;
    while (found.has(name + " " + number)) number += 1;
    found.set(name + " " + number, part);
  }
  return found;
}
const unfolding = titled(document.querySelectorAll("details"), (part) => part.firstElementChild.firstChild.data);
const tables = titled(document.querySelectorAll("table"), (table) => table.getAttribute("aria-label"));
function keep() {
  const open = [...unfolding].filter(([, part]) => part.open).map(([name]) => name);
  const sorted = [];
  for (const [name, table] of tables) {
    const head = table.querySelector("th[aria-sort]");
    if (head) sorted.push([name, head.textContent, head.getAttribute("aria-sort") === "ascending"]);
  }
  sessionStorage.setItem(KEPT, JSON.stringify({ open, sorted, down: scrollY }));
}
function restore() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT));
  if (!kept) return;
  if (!refreshed) sessionStorage.removeItem(KEPT);
  for (const name of kept.open) if (unfolding.has(name)) unfolding.get(name).open = true;
  for (const [name, column, up] of kept.sorted) {
    const heads = tables.get(name)?.tHead.rows[0].children ?? [];
    const head = [...heads].find((one) => one.textContent === column);
    if (head) sort(head, up);
  }
  scrollTo(0, kept.down);
}
try { // without storage, as where it is blocked, it is only read from its top again
  restore();
  const save = () => { try { keep(); } catch { } };
  // What is written as a page goes may come too late for the next one: so also as it changes.
  if (refreshed) for (const event of ["toggle", "click", "scrollend", "pagehide"]) addEventListener(event, save, event === "toggle");
} catch { }
