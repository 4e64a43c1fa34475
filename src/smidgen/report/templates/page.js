addEventListener("beforeprint", () => { // on paper nothing can be unfolded
  for (const part of document.querySelectorAll("details")) part.open = true;
});
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, row = head.parentElement;
    const place = [...row.children].indexOf(head);
    const body = row.parentElement.parentElement.tBodies[0];
    const numeric = head.classList.contains("number"); // the largest first, words from A
    const up = (head.getAttribute("aria-sort") ?? (numeric ? "ascending" : "descending")) === "descending";
    for (const other of row.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (line) => line.children[place].dataset.value;
    const known = (line) => !numeric || Number.isFinite(Number(value(line))); // the others come last
    const order = numeric
      ? (a, b) => Number(value(a)) - Number(value(b))
      : (a, b) => value(a).localeCompare(value(b));
    const either = (a, b) => known(b) - known(a) || (known(a) ? (up ? order(a, b) : order(b, a)) : 0);
    body.append(...[...body.rows].sort(either));
  });
}
